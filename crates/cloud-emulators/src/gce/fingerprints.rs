//! Fingerprints, which clients send back to prove what they saw.

use serde_json::Value;

/// A fingerprint of a value in URL-safe base64; that of nothing is the one the service has for it.
pub fn fingerprint(value: &Value) -> String {
    if is_empty(value) {
        return "42WmSpB8rSM=".to_owned();
    }
    let hash = value.to_string().bytes().fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3)
    });
    base64(&hash.to_be_bytes())
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let padded = [0, 1, 2].map(|index| u32::from(chunk.get(index).copied().unwrap_or(0)));
        let bits = padded[0] << 16 | padded[1] << 8 | padded[2];
        for index in 0..4 {
            let digit = (bits >> (18 - 6 * index)) as usize & 63;
            text.push(if index > chunk.len() {
                '='
            } else {
                char::from(DIGITS[digit])
            });
        }
    }
    text
}

/// Null, or a collection without entries.
pub fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(map) => map.is_empty(),
        Value::Array(rows) => rows.is_empty(),
        _ => false,
    }
}
