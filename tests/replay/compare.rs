//! The difference of two texts, line by line.

/// How many equal lines are shown before and after a difference.
const CONTEXT: usize = 2;

/// The lines that differ, with a few equal ones around them. `line` is where the recorded step begins in its file.
pub fn difference(line: usize, old: &[String], new: &[String]) -> String {
    let start = old.iter().zip(new).take_while(|(old, new)| old == new).count();
    let most = old.len().min(new.len()) - start;
    let end = old
        .iter()
        .rev()
        .zip(new.iter().rev())
        .take(most)
        .take_while(|(old, new)| old == new)
        .count();
    let mut text = String::new();
    if line > 0 {
        text.push_str(&format!("  line {} and after:\n", line + start + 1));
    }
    let mut put = |mark: &str, lines: &[String]| {
        for line in lines {
            text.push_str(&format!("  {mark}{line}\n"));
        }
    };
    put(" ", &old[start.saturating_sub(CONTEXT)..start]);
    for (mark, line) in changed_lines(&old[start..old.len() - end], &new[start..new.len() - end]) {
        put(mark, std::slice::from_ref(line));
    }
    let after = old.len() - end;
    put(" ", &old[after..(after + CONTEXT).min(old.len())]);
    text
}

/// The shortest list of lines to remove, to keep and to add.
fn changed_lines<'a>(old: &'a [String], new: &'a [String]) -> Vec<(&'static str, &'a String)> {
    // common[i][j]: how many lines old[i..] and new[j..] have in common, in order.
    let mut common = vec![vec![0_usize; new.len() + 1]; old.len() + 1];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            common[i][j] = match old[i] == new[j] {
                true => common[i + 1][j + 1] + 1,
                false => common[i + 1][j].max(common[i][j + 1]),
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    let mut lines = Vec::new();
    while i < old.len() || j < new.len() {
        if i < old.len() && j < new.len() && old[i] == new[j] {
            lines.push((" ", &old[i]));
            (i, j) = (i + 1, j + 1);
        } else if j == new.len() || i < old.len() && common[i + 1][j] >= common[i][j + 1] {
            lines.push(("-", &old[i]));
            i += 1;
        } else {
            lines.push(("+", &new[j]));
            j += 1;
        }
    }
    lines
}

#[test]
fn difference_shows_what_was_changed_and_where() {
    let lines = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let shown = difference(10, &lines("a b c d e f"), &lines("a b c x e f"));
    assert_eq!(shown, "  line 14 and after:\n   b\n   c\n  -d\n  +x\n   e\n   f\n");
    assert_eq!(difference(0, &lines("a"), &lines("a b")), "   a\n  +b\n");
}
