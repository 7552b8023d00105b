//! Parts a text into what is a contract and what may be reworded. Of a message its kind is compared, of help the names
//! of commands, flags and values, of a schema all but its descriptions. Of a message about a file the place in it, such as
//! `a.toml:2:1`, is compared too.

/// What is compared of standard output, and the texts that were taken out of it.
pub fn of_stdout(arguments: &[String], stdout: &str) -> (String, Vec<String>) {
    let has = |word: &str| arguments.iter().any(|argument| argument == word);
    // In a format for machines even help can only fail, and a failure is the same everywhere.
    let is_json = stdout.starts_with('{');
    let command = arguments.first().map(String::as_str).unwrap_or_default();
    let whole = || stdout.lines().map(str::to_owned).collect();
    if has("-h") {
        return (outline_of_short_help(stdout), whole());
    }
    if has("--help") {
        return (outline_of_help(stdout), whole());
    }
    match command {
        _ if is_json && command != "schema" => without_texts(stdout, &["message", "hint"]),
        "help" => (outline_of_topic(stdout), whole()),
        "completion" => (lines_with(stdout, "opts=\""), Vec::new()),
        "man" => (outline_of_manual(stdout), whole()),
        "schema" => without_texts(stdout, &["description"]),
        _ => without_texts(stdout, &["message", "hint"]),
    }
}

/// The kind of each line of stderr, and the lines themselves.
pub fn of_stderr(stderr: &str) -> (Vec<String>, Vec<String>) {
    let lines = stderr.lines().map(str::to_owned).collect();
    if stderr.contains("Usage: ") && !stderr.starts_with("error") {
        let outline = outline_of_help(stderr);
        return (outline.lines().map(str::to_owned).collect(), lines);
    }
    (stderr.lines().map(kind_of).collect(), lines)
}

fn kind_of(line: &str) -> String {
    for kind in ["error", "warning", "hint", "note"] {
        if let Some(message) = line.strip_prefix(kind).and_then(|rest| rest.strip_prefix(": ")) {
            return [kind, place_in_file(message)].join(" ").trim_end().to_owned();
        }
    }
    let code = line.trim_start();
    let code = code.strip_suffix(" (request REQUEST)").unwrap_or(code);
    let is_code = line.starts_with("  ") && !code.contains(' ') && !code.is_empty();
    match is_code {
        true => format!("  code {code}"),
        false if line.starts_with("  ") => "  text".to_owned(),
        false => "text".to_owned(),
    }
}

/// The file, line and perhaps column that a message begins with.
fn place_in_file(message: &str) -> &str {
    let place = message.split_whitespace().next().unwrap_or_default();
    let place = place.trim_end_matches([':', ',']);
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match place.rsplit_once(':') {
        Some((_, number)) if is_number(number) => place,
        _ => "",
    }
}

fn lines_with(text: &str, word: &str) -> String {
    let lines = text.lines().filter(|line| line.contains(word));
    lines.map(|line| format!("{}\n", line.trim())).collect()
}

/// The usage, commands, arguments, flags and values in a help text.
fn outline_of_help(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let mut outline = String::new();
    let mut section = "";
    for (index, line) in lines.iter().enumerate() {
        let words = line.trim_start();
        if line.starts_with("Usage: ") {
            outline.push_str(&format!("{line}\n"));
        } else if !line.starts_with(' ') && line.ends_with(':') {
            section = line;
        }
        // What a table says stands after two spaces.
        let name = words.split("  ").next().unwrap_or_default();
        let indent = line.len() - words.len();
        if let Some(value) = words.strip_prefix("- ").and_then(|rest| rest.split(':').next()) {
            outline.push_str(&format!("    value {value}\n"));
        } else if (words.starts_with('-') && indent <= 6) || (section == "Arguments:" && indent == 2) {
            outline.push_str(&format!("  {name}\n"));
        } else if section == "Commands:" && indent == 2 {
            outline.push_str(&format!("  command {name}\n"));
        }
        if let Some(at) = line.find("[possible values: ") {
            let rest = [&line[at..], &lines[index + 1..].join("\n")].join("\n");
            let values: Vec<&str> = rest.split(']').next().unwrap_or_default().split_whitespace().collect();
            outline.push_str(&format!("    {}]\n", values.join(" ")));
        }
        // A default that is too long for its line is on the next.
        let next = lines.get(index + 1).map(|next| next.trim()).unwrap_or_default();
        let with_next = match line.ends_with("[default:") {
            true => format!("{line} {next}"),
            false => (*line).to_owned(),
        };
        let default = with_next
            .split_once("[default: ")
            .and_then(|(_, rest)| rest.split_once(']'));
        // With spaces in it, it describes the default and is none.
        if let Some((value, _)) = default.filter(|(value, _)| !value.contains(' ')) {
            outline.push_str(&format!("    [default: {value}]\n"));
        }
    }
    outline
}

/// The usage, and the names of commands and flags in a help text that fits on a screen.
fn outline_of_short_help(text: &str) -> String {
    let mut outline = String::new();
    let mut is_command_row = false;
    for line in text
        .lines()
        .take_while(|line| *line != "Examples:" && !line.starts_with("All of it") && !line.starts_with("Full help"))
    {
        if line.starts_with("Usage: ") {
            outline.push_str(&format!("{line}\n"));
        } else if !line.starts_with(' ') {
            is_command_row = line == "Commands:";
        }
        let row = line.trim_start().split("  ").next().unwrap_or_default();
        for word in row.split([' ', ',']) {
            let is_command = is_command_row && line.starts_with(' ') && !word.is_empty();
            if is_command || word.starts_with("--") {
                outline.push_str(&format!("  {word}\n"));
            }
        }
    }
    outline
}

/// Whether a step shows help, and all that was recorded is still in it. New commands, flags and values are no change of
/// the contract, and neither is another order.
pub fn is_help_with_additions(step: &str, recorded: &[String], printed: &[String]) -> bool {
    let words: Vec<&str> = step.trim_start_matches("$").split_whitespace().collect();
    let is_help = match words.first() {
        None => true,
        Some(command) => {
            ["help", "man", "completion"].contains(command)
                || words.iter().any(|word| *word == "--help" || *word == "-h")
        }
    };
    let is_usage = recorded.iter().any(|line| line.starts_with("! Usage: "));
    let is_json = recorded.iter().any(|line| line == "> {");
    let printed_entries = entries_of(printed);
    let is_there = |entry: &Vec<&String>| {
        printed_entries
            .iter()
            .any(|printed_entry| contains_entry(printed_entry, entry))
    };
    (is_help || is_usage) && !is_json && entries_of(recorded).iter().all(is_there)
}

/// The entries of an outline: a name, and the lines about it that are further in.
fn entries_of(lines: &[String]) -> Vec<Vec<&String>> {
    let mut entries: Vec<Vec<&String>> = Vec::new();
    for line in lines {
        let is_detail = line.get(1..).is_some_and(|text| text.starts_with("     "));
        match entries.last_mut() {
            Some(entry) if is_detail => entry.push(line),
            _ => entries.push(vec![line]),
        }
    }
    entries
}

/// Whether an entry has the name and all details of another. The words of a list for completion may be in another order.
fn contains_entry(entry: &[&String], other: &[&String]) -> bool {
    let words = |line: &str| -> Vec<String> {
        // An argument that was required may be left out now.
        let line = line.replace("<REF>...", "[REF]...");
        match line.strip_prefix("> opts=") {
            Some(list) => list.trim_matches('"').split(' ').map(str::to_owned).collect(),
            None if line.starts_with("> Usage: ") => line.split(' ').map(str::to_owned).collect(),
            None => vec![line],
        }
    };
    let known: Vec<String> = entry.iter().flat_map(|line| words(line)).collect();
    other
        .iter()
        .flat_map(|line| words(line))
        .all(|word| known.contains(&word))
}

/// The first words of the entries of a help topic; of a file that it shows, all but the comments.
fn outline_of_topic(text: &str) -> String {
    if text.contains("Usage: ") {
        return outline_of_help(text);
    }
    let mut outline = String::new();
    let is_entry = |line: &&str| {
        let indent = line.len() - line.trim_start().len();
        (1..=2).contains(&indent) || line.starts_with(|character: char| character.is_ascii_digit())
    };
    for line in text.lines().filter(is_entry) {
        let words = line.split('#').next().unwrap_or_default().trim();
        let words = match words.starts_with('[') || words.contains(" = ") {
            true => words,
            false => words.split("  ").next().unwrap_or_default(),
        };
        outline.push_str(&format!("{words}\n"));
    }
    outline
}

/// The names of the flags and arguments in a manual page.
fn outline_of_manual(text: &str) -> String {
    let is_flag = |line: &&str| line.starts_with("\\fB\\-") || line.starts_with("cloudctl\\-");
    let lines = text.lines().filter(is_flag);
    lines.map(|line| format!("{line}\n")).collect()
}

/// Takes the values of these keys out of JSON and YAML, where they are text.
fn without_texts(text: &str, keys: &[&str]) -> (String, Vec<String>) {
    let mut taken = Vec::new();
    let mut result = String::new();
    for line in text.split_inclusive('\n') {
        let mut line = line.to_owned();
        for key in keys {
            line = without_json_text(&line, key, &mut taken);
            line = without_yaml_text(&line, key, &mut taken);
        }
        result.push_str(&line);
    }
    (result, taken)
}

fn without_json_text(line: &str, key: &str, taken: &mut Vec<String>) -> String {
    let start = format!("\"{key}\":");
    let mut result = String::new();
    let mut rest = line;
    while let Some(at) = rest.find(&start) {
        let (before, found) = rest.split_at(at + start.len());
        result.push_str(before);
        let space = found.len() - found.trim_start_matches(' ').len();
        let value = &found[space..];
        match length_of_string(value) {
            Some(length) => {
                let text = &value[..length];
                taken.push(format!("{key}: {text}"));
                let place = place_in_file(text.trim_matches('"'));
                let kept = format!("{place} TEXT");
                result.push_str(&format!("{}\"{}\"", &found[..space], kept.trim_start()));
                rest = &value[length..];
            }
            None => rest = found,
        }
    }
    result + rest
}

/// How long the JSON string is that a text begins with, with its quotes.
fn length_of_string(text: &str) -> Option<usize> {
    let mut is_escaped = false;
    for (at, character) in text.strip_prefix('"')?.char_indices() {
        match character {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => return Some(at + 2),
            _ => {}
        }
    }
    None
}

fn without_yaml_text(line: &str, key: &str, taken: &mut Vec<String>) -> String {
    let trimmed = line.trim_start_matches([' ', '-']);
    match trimmed.strip_prefix(key).and_then(|rest| rest.strip_prefix(": ")) {
        Some(value) if value.trim() != "null" => {
            taken.push(format!("{key}: {}", value.trim()));
            format!("{}{key}: TEXT\n", &line[..line.len() - trimmed.len()])
        }
        _ => line.to_owned(),
    }
}

#[test]
fn kinds_keep_the_structure_and_not_the_wording() {
    let (kinds, wording) = of_stderr("error: it is gone\n  NotFound\nhint: try again\n");
    assert_eq!(kinds, ["error", "  code NotFound", "hint"]);
    assert_eq!(wording.len(), 3);
    assert_eq!(
        of_stderr("error: a.toml:2:1: unknown key `x`\n").0,
        ["error a.toml:2:1"]
    );
    let (text, wording) = without_texts(
        r#"{"kind":"quota","message":"too \"many\"","hint":null}"#,
        &["message", "hint"],
    );
    assert_eq!(text, r#"{"kind":"quota","message":"TEXT","hint":null}"#);
    assert_eq!(wording, [r#"message: "too \"many\"""#]);
}

#[test]
fn help_may_have_more_and_not_less() {
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    let recorded = lines("= 0\n>   --wait <STATE>\n>     value none\n>   -q, --quiet");
    let added = lines("= 0\n>   -q, --quiet\n>   --watch\n>   --wait <STATE>\n>     value none\n>     value ssh");
    assert!(is_help_with_additions("$ create --help", &recorded, &added));
    assert!(!is_help_with_additions("$ create --help", &added, &recorded));
    assert!(!is_help_with_additions("$ list -p mock", &recorded, &added));
}
