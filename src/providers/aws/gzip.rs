//! Only aws has this file: as much of gzip as it takes to put text before and after packed user data, and to see what
//! the data begins with.
//!
//! <https://www.rfc-editor.org/rfc/rfc1952> and <https://www.rfc-editor.org/rfc/rfc1951>

/// How packed data begins.
pub(super) const MAGIC: &[u8] = &[0x1f, 0x8b];
/// The longest block that is stored as it is.
const STORED_BLOCK: usize = 0xffff;

/// Packs by storing, not by compressing.
pub(super) fn stored(data: &[u8]) -> Vec<u8> {
    // No flags, no time, no file name, so that the same data always gives the same bytes.
    let mut packed = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    let mut blocks = data.chunks(STORED_BLOCK).peekable();
    while let Some(block) = blocks.next() {
        // A block is no longer than its two bytes can say.
        let length = u16::try_from(block.len()).unwrap_or(u16::MAX);
        packed.push(u8::from(blocks.peek().is_none()));
        packed.extend(length.to_le_bytes());
        packed.extend((!length).to_le_bytes());
        packed.extend(block);
    }
    packed.extend(checksum(data).to_le_bytes());
    // Modulo 2^32, as the format has it.
    packed.extend((data.len() as u32).to_le_bytes());
    packed
}

/// CRC-32.
fn checksum(data: &[u8]) -> u32 {
    let step = |sum: u32, _| (sum >> 1) ^ (0xedb8_8320 & (sum & 1).wrapping_neg());
    !data
        .iter()
        .fold(u32::MAX, |sum, byte| (0..8).fold(sum ^ u32::from(*byte), step))
}

/// The first bytes of what packed data unpacks to, at least `wanted` if there are so many; nothing if it is damaged.
pub(super) fn unpacked_prefix(packed: &[u8], wanted: usize) -> Option<Vec<u8>> {
    let mut bits = Bits {
        bytes: body(packed)?,
        taken: 0,
    };
    let mut out = Vec::new();
    loop {
        let is_last = bits.take(1)? == 1;
        match bits.take(2)? {
            0 => bits.stored_block(&mut out)?,
            1 => {
                let (symbols, distances) = fixed_codes();
                bits.block(&mut out, wanted, &symbols, &distances)?;
            }
            2 => {
                let (symbols, distances) = bits.codes()?;
                bits.block(&mut out, wanted, &symbols, &distances)?;
            }
            _ => return None,
        }
        if is_last || out.len() >= wanted {
            return Some(out);
        }
    }
}

/// What follows the header of a member.
fn body(packed: &[u8]) -> Option<&[u8]> {
    let flags = *packed.get(3)?;
    let mut rest = packed.get(10..)?;
    if flags & 4 != 0 {
        let length = u16::from_le_bytes([*rest.first()?, *rest.get(1)?]);
        rest = rest.get(2 + usize::from(length)..)?;
    }
    // A name, then a comment; each ends with a zero.
    for flag in [8, 16] {
        if flags & flag != 0 {
            let end = rest.iter().position(|byte| *byte == 0)?;
            rest = rest.get(end + 1..)?;
        }
    }
    if flags & 2 != 0 {
        rest = rest.get(2..)?;
    }
    Some(rest)
}

/// Bits, the lowest of each byte first.
struct Bits<'a> {
    bytes: &'a [u8],
    taken: usize,
}

/// A Huffman code: how many codes there are of each length, and what they stand for, in order.
struct Code {
    counts: [u16; 16],
    symbols: Vec<u16>,
}

impl Code {
    fn of(lengths: &[u8]) -> Self {
        let mut counts = [0; 16];
        for length in lengths {
            counts[usize::from(*length)] += 1;
        }
        counts[0] = 0;
        let mut symbols: Vec<u16> = (0..).take(lengths.len()).collect();
        symbols.retain(|symbol| lengths[usize::from(*symbol)] > 0);
        symbols.sort_by_key(|symbol| lengths[usize::from(*symbol)]);
        Self { counts, symbols }
    }
}

fn fixed_codes() -> (Code, Code) {
    let lengths: Vec<u8> = [(8, 144), (9, 112), (7, 24), (8, 8)]
        .iter()
        .flat_map(|(length, times)| std::iter::repeat_n(*length, *times))
        .collect();
    (Code::of(&lengths), Code::of(&[5; 30]))
}

impl Bits<'_> {
    fn take(&mut self, count: usize) -> Option<usize> {
        let mut value = 0;
        for place in 0..count {
            let byte = self.bytes.get(self.taken / 8)?;
            value |= usize::from(byte >> (self.taken % 8) & 1) << place;
            self.taken += 1;
        }
        Some(value)
    }

    fn symbol(&mut self, code: &Code) -> Option<usize> {
        let (mut value, mut first, mut index) = (0, 0, 0);
        for count in &code.counts[1..] {
            let count = usize::from(*count);
            value |= self.take(1)?;
            if value < first + count {
                return code
                    .symbols
                    .get(index + value - first)
                    .map(|symbol| usize::from(*symbol));
            }
            index += count;
            first = (first + count) << 1;
            value <<= 1;
        }
        None
    }

    fn stored_block(&mut self, out: &mut Vec<u8>) -> Option<()> {
        self.taken = self.taken.next_multiple_of(8);
        let length = self.take(16)?;
        self.take(16)?;
        let start = self.taken / 8;
        out.extend(self.bytes.get(start..start + length)?);
        self.taken += length * 8;
        Some(())
    }

    /// The codes that stand before a block.
    fn codes(&mut self) -> Option<(Code, Code)> {
        const ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
        let (symbols, distances) = (self.take(5)? + 257, self.take(5)? + 1);
        let mut lengths = [0; 19];
        for place in ORDER.iter().take(self.take(4)? + 4) {
            lengths[*place] = u8::try_from(self.take(3)?).ok()?;
        }
        let code = Code::of(&lengths);
        let mut lengths: Vec<u8> = Vec::new();
        while lengths.len() < symbols + distances {
            let (length, times) = match self.symbol(&code)? {
                16 => (*lengths.last()?, 3 + self.take(2)?),
                17 => (0, 3 + self.take(3)?),
                18 => (0, 11 + self.take(7)?),
                length => (u8::try_from(length).ok()?, 1),
            };
            lengths.extend(std::iter::repeat_n(length, times));
        }
        let (of_symbols, of_distances) = lengths.get(..symbols + distances)?.split_at(symbols);
        Some((Code::of(of_symbols), Code::of(of_distances)))
    }

    /// Unpacks a block, or as much of it as is wanted.
    fn block(&mut self, out: &mut Vec<u8>, wanted: usize, symbols: &Code, distances: &Code) -> Option<()> {
        const EXTRA_LENGTH: [usize; 29] = [
            0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0,
        ];
        while out.len() < wanted {
            let symbol = self.symbol(symbols)?;
            match symbol {
                256 => return Some(()),
                0..256 => out.push(u8::try_from(symbol).ok()?),
                _ => {
                    let index = symbol - 257;
                    let extra = *EXTRA_LENGTH.get(index)?;
                    let before: usize = EXTRA_LENGTH[..index].iter().map(|extra| 1 << extra).sum();
                    // The last one stands for 258, which the one before it could say too.
                    let length = if index == 28 {
                        258
                    } else {
                        3 + before + self.take(extra)?
                    };
                    let index = self.symbol(distances)?;
                    let extra = |index: usize| (index / 2).saturating_sub(1);
                    let before: usize = (0..index).map(|index| 1 << extra(index)).sum();
                    let distance = 1 + before + self.take(extra(index))?;
                    let start = out.len().checked_sub(distance)?;
                    for place in start..start + length {
                        out.push(*out.get(place)?);
                    }
                }
            }
        }
        Some(())
    }
}
