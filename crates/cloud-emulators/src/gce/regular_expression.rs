//! A small backtracking matcher for the regular expressions that the API speaks: those of the
//! discovery document, and the RE2 literals of `eq` and `ne` in filters. A match covers the whole text.

/// A compiled expression.
pub struct Pattern(Vec<Branch>);

type Branch = Vec<Node>;

enum Node {
    Any,
    Character(char),
    /// Negated or not, and its ranges.
    Class(bool, Vec<(char, char)>),
    Group(Vec<Branch>),
    Repeat(Box<Node>, usize, usize),
    WordBoundary,
    Start,
    End,
}

/// No field that the API checks needs more; a hostile expression ends here instead of spinning.
const STEPS: usize = 200_000;

impl Pattern {
    /// `None` if the expression is malformed, or uses what this matcher does not know.
    pub fn new(source: &str) -> Option<Self> {
        let mut parser = Parser {
            text: source.chars().collect(),
            at: 0,
        };
        let branches = parser.branches()?;
        (parser.at == parser.text.len()).then_some(Self(branches))
    }

    pub fn matches(&self, text: &str) -> bool {
        let text: Vec<char> = text.chars().collect();
        let mut walk = Walk { text: &text, steps: 0 };
        let mut at_end = |_: &mut Walk, at: usize| at == text.len();
        walk.branches(&self.0, 0, &mut at_end)
    }
}

struct Walk<'t> {
    text: &'t [char],
    steps: usize,
}

/// What must match after the node at hand.
type Rest<'r> = &'r mut dyn FnMut(&mut Walk, usize) -> bool;

impl Walk<'_> {
    fn branches(&mut self, branches: &[Branch], at: usize, rest: Rest) -> bool {
        branches.iter().any(|branch| self.sequence(branch, at, rest))
    }

    fn sequence(&mut self, nodes: &[Node], at: usize, rest: Rest) -> bool {
        self.steps += 1;
        if self.steps > STEPS {
            return false;
        }
        let Some((node, after)) = nodes.split_first() else {
            return rest(self, at);
        };
        let mut next = |walk: &mut Walk, at: usize| walk.sequence(after, at, rest);
        self.node(node, at, &mut next)
    }

    fn node(&mut self, node: &Node, at: usize, rest: Rest) -> bool {
        let here = self.text.get(at).copied();
        match node {
            Node::Any => here.is_some() && rest(self, at + 1),
            Node::Character(wanted) => here == Some(*wanted) && rest(self, at + 1),
            Node::Class(negated, ranges) => {
                let inside = |found: char| ranges.iter().any(|(low, high)| (*low..=*high).contains(&found));
                here.is_some_and(|found| inside(found) != *negated) && rest(self, at + 1)
            }
            Node::Group(branches) => self.branches(branches, at, rest),
            Node::Repeat(inner, least, most) => self.repeat(inner, *least, *most, at, rest),
            Node::WordBoundary => {
                let word = |found: Option<char>| found.is_some_and(|found| found.is_alphanumeric() || found == '_');
                let before = at.checked_sub(1).and_then(|index| self.text.get(index).copied());
                word(before) != word(here) && rest(self, at)
            }
            Node::Start => at == 0 && rest(self, at),
            Node::End => at == self.text.len() && rest(self, at),
        }
    }

    /// Greedy; a repetition that matches nothing is not tried again.
    fn repeat(&mut self, inner: &Node, least: usize, most: usize, at: usize, rest: Rest) -> bool {
        self.steps += 1;
        if self.steps > STEPS {
            return false;
        }
        if most > 0 {
            let mut again = |walk: &mut Walk, next: usize| {
                (next > at || least > 0)
                    && walk.repeat(inner, least.saturating_sub(1), most.saturating_sub(1), next, rest)
            };
            if self.node(inner, at, &mut again) {
                return true;
            }
        }
        least == 0 && rest(self, at)
    }
}

struct Parser {
    text: Vec<char>,
    at: usize,
}

impl Parser {
    fn peek(&self) -> Option<char> {
        self.text.get(self.at).copied()
    }

    fn take(&mut self) -> Option<char> {
        let found = self.peek()?;
        self.at += 1;
        Some(found)
    }

    fn skip(&mut self, wanted: &str) -> bool {
        let end = self.at + wanted.chars().count();
        let found = self
            .text
            .get(self.at..end)
            .is_some_and(|part| part.iter().copied().eq(wanted.chars()));
        if found {
            self.at = end;
        }
        found
    }

    fn branches(&mut self) -> Option<Vec<Branch>> {
        let mut branches = vec![Vec::new()];
        while let Some(next) = self.peek() {
            match next {
                ')' => break,
                '|' => {
                    self.at += 1;
                    branches.push(Vec::new());
                }
                _ => {
                    let atom = self.atom()?;
                    let node = self.repetition(atom)?;
                    branches.last_mut()?.push(node);
                }
            }
        }
        Some(branches)
    }

    fn atom(&mut self) -> Option<Node> {
        Some(match self.take()? {
            '.' => Node::Any,
            '^' => Node::Start,
            '$' => Node::End,
            '(' => {
                let _ = self.skip("?:");
                let branches = self.branches()?;
                self.skip(")").then_some(())?;
                Node::Group(branches)
            }
            '[' => self.class()?,
            '\\' => match self.take()? {
                'b' => Node::WordBoundary,
                escape => escaped(escape),
            },
            '*' | '+' | '?' => return None,
            plain => Node::Character(plain),
        })
    }

    fn repetition(&mut self, atom: Node) -> Option<Node> {
        let (least, most) = if self.skip("*") {
            (0, usize::MAX)
        } else if self.skip("+") {
            (1, usize::MAX)
        } else if self.skip("?") {
            (0, 1)
        } else if self.skip("{") {
            let least = self.number()?;
            let most = match self.take()? {
                '}' => least,
                ',' if self.skip("}") => usize::MAX,
                ',' => {
                    let most = self.number()?;
                    self.skip("}").then_some(most)?
                }
                _ => return None,
            };
            (least, most)
        } else {
            return Some(atom);
        };
        let _ = self.skip("?"); // A lazy quantifier matches the same whole texts.
        Some(Node::Repeat(Box::new(atom), least, most))
    }

    fn number(&mut self) -> Option<usize> {
        let start = self.at;
        while self.peek().is_some_and(|next| next.is_ascii_digit()) {
            self.at += 1;
        }
        self.text[start..self.at].iter().collect::<String>().parse().ok()
    }

    fn class(&mut self) -> Option<Node> {
        let negated = self.skip("^");
        let mut ranges = Vec::new();
        loop {
            let low = match self.take()? {
                ']' if !ranges.is_empty() => return Some(Node::Class(negated, ranges)),
                '\\' => match escaped(self.take()?) {
                    Node::Class(false, more) => {
                        ranges.extend(more);
                        continue;
                    }
                    Node::Character(literal) => literal,
                    _ => return None,
                },
                plain => plain,
            };
            // A dash before a digit class or the end is itself, as in `[a-zA-Z0-9-_]`.
            let ranged = self.peek() == Some('-')
                && self
                    .text
                    .get(self.at + 1)
                    .is_some_and(|high| *high != ']' && *high > low);
            if ranged {
                self.at += 1;
                ranges.push((low, self.take()?));
            } else {
                ranges.push((low, low));
            }
        }
    }
}

fn escaped(escape: char) -> Node {
    let word = || vec![('a', 'z'), ('A', 'Z'), ('0', '9'), ('_', '_')];
    let space = || vec![(' ', ' '), ('\t', '\r')];
    match escape {
        'd' => Node::Class(false, vec![('0', '9')]),
        'D' => Node::Class(true, vec![('0', '9')]),
        'w' => Node::Class(false, word()),
        'W' => Node::Class(true, word()),
        's' => Node::Class(false, space()),
        'S' => Node::Class(true, space()),
        literal => Node::Character(literal),
    }
}
