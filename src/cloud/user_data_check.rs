//! Finds user data that no program in the guest would run.

use std::io::Read;

use flate2::bufread::MultiGzDecoder;

/// The first bytes of gzip data. <https://www.rfc-editor.org/rfc/rfc1952#section-2.3.1>
const GZIP_MAGIC: &[u8] = &[0x1f, 0x8b];
/// The number of bytes in which cloud-init looks for MIME headers.
const MIME_PREFIX: usize = 4096;
/// The beginnings that cloud-init recognizes, in lower case. <https://docs.cloud-init.io/en/latest/explanation/format.html>
const BEGINNINGS: [&str; 7] = [
    "#!",
    "#cloud-config",
    "#include",
    "#cloud-boothook",
    "#upstart-job",
    "#part-handler",
    "## template:",
];
/// The beginnings of `#!` and `#c` in base64.
const BASE64_BEGINNINGS: [&str; 2] = ["IyE", "I2Ns"];

/// The program that reads user data in a guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserDataReader {
    /// cloud-init, as on nearly every image of Linux.
    CloudInit,
    /// EC2Launch, on Windows images on EC2.
    Ec2Launch,
}

/// Finds the reason why a guest would not run user data; `None` if it would.
pub fn find_user_data_problem(data: &[u8], reader: UserDataReader) -> Option<String> {
    if data.iter().all(u8::is_ascii_whitespace) {
        return Some("the user data is empty, so nothing is run".to_owned());
    }
    if reader == UserDataReader::Ec2Launch {
        return find_windows_problem(data);
    }
    if !data.starts_with(GZIP_MAGIC) {
        return find_text_problem(data);
    }
    let mut unpacked = Vec::new();
    let result = MultiGzDecoder::new(data)
        .take(MIME_PREFIX as u64)
        .read_to_end(&mut unpacked);
    match result {
        Err(_) => Some("the user data begins like gzip but cannot be unpacked, so nothing runs it".to_owned()),
        Ok(_) => find_text_problem(&unpacked).map(|problem| format!("after unpacking, {problem}")),
    }
}

/// Whether user data is packed with gzip.
pub fn is_gzip(data: &[u8]) -> bool {
    data.starts_with(GZIP_MAGIC)
}

/// Finds the reason why cloud-init would not run user data that is not packed.
fn find_text_problem(data: &[u8]) -> Option<String> {
    if let Some(problem) = find_encoding_problem(data) {
        return Some(problem.to_owned());
    }
    let text = String::from_utf8_lossy(&data[..data.len().min(MIME_PREFIX)]);
    if is_mime(&text) {
        return None;
    }
    let trimmed = text.trim_start().to_ascii_lowercase();
    if !BEGINNINGS.iter().any(|beginning| trimmed.starts_with(beginning)) {
        return Some(format!(
            "the user data has no #! and no #cloud-config in its first line, so nothing runs it{}",
            find_likely_cause(&text)
        ));
    }
    if text.starts_with(char::is_whitespace) {
        return Some("the user data begins with white space, so it may not be run: remove the white space".to_owned());
    }
    let has_carriage_return = text.split('\n').next().is_some_and(|line| line.ends_with('\r'));
    if text.starts_with("#!") && has_carriage_return {
        let problem = "the first line of the user data ends with a carriage return, and no interpreter has such a name: \
                       save the script with Unix line ends";
        return Some(problem.to_owned());
    }
    None
}

fn find_encoding_problem(data: &[u8]) -> Option<&'static str> {
    if data.starts_with(&[0xff, 0xfe]) || data.starts_with(&[0xfe, 0xff]) {
        return Some("the user data is UTF-16 text, so nothing runs it: save it as UTF-8 without a byte order mark");
    }
    if data.starts_with("\u{feff}".as_bytes()) {
        return Some("the user data begins with a byte order mark, so nothing runs it: save it as UTF-8 without one");
    }
    None
}

/// What is probably wrong with user data that has no known beginning, as the end of a message; empty if nothing is known.
fn find_likely_cause(text: &str) -> &'static str {
    let first_line = text.lines().next().unwrap_or_default();
    let words = first_line.to_ascii_lowercase().replace(' ', "");
    let trimmed = text.trim_start().to_ascii_lowercase();
    if words.trim_start_matches('#').starts_with("cloud-config") {
        "; did you mean #cloud-config, without a space?"
    } else if BASE64_BEGINNINGS
        .iter()
        .any(|beginning| first_line.starts_with(beginning))
    {
        "; it looks like base64: pass the decoded text"
    } else if trimmed.starts_with("<powershell>") || trimmed.starts_with("<script>") {
        "; scripts in such tags are for Windows"
    } else {
        ""
    }
}

/// Whether the text is a MIME message.
fn is_mime(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    let mut headers = lower.lines().take_while(|line| !line.is_empty());
    lower.contains("mime-version:") || headers.any(|line| line.starts_with("content-type:"))
}

/// Finds the reason why EC2Launch would not run user data. It runs scripts in its tags, and tasks in YAML.
/// <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/user-data.html#user-data-execution>
fn find_windows_problem(data: &[u8]) -> Option<String> {
    let lower_case = String::from_utf8_lossy(data).to_ascii_lowercase();
    let text = lower_case.trim_start_matches('\u{feff}');
    let has_tags = |name: &str| {
        let open = text.find(&format!("<{name}>"));
        open.is_some_and(|at| text[at..].contains(&format!("</{name}>")))
    };
    if has_tags("script") || has_tags("powershell") {
        return None;
    }
    let mut lines = text.lines().map(str::trim);
    let first = lines.find(|line| !line.is_empty() && !line.starts_with('#') && *line != "---");
    if first.is_some_and(|line| line.starts_with("version:")) && text.contains("tasks:") {
        return None;
    }
    let is_open = ["<script>", "<powershell>"].iter().any(|tag| text.contains(tag));
    Some(match is_open {
        true => "the user data has an opening tag without its closing one, so Windows runs nothing of it".to_owned(),
        false => "Windows runs user data in <script> or <powershell> tags, or tasks in YAML, and there are none, so \
                  nothing runs it"
            .to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cloud_init_data_gets_no_warning() {
        for data in [
            "#!/bin/sh\n",
            "#!/usr/bin/env python3\r",
            "#cloud-config\r\npackages: [jq]\r\n",
            "#Cloud-Config\n",
            "#cloud-config-archive\n",
            "#include-once\nhttps://example.com\n",
            "#cloud-boothook\n",
            "#upstart-job\n",
            "#part-handler\n",
            "## template: jinja\n#cloud-config\n",
            "Content-Type: multipart/mixed; boundary=\"b\"\nMIME-Version: 1.0\n\n--b\n",
            "MIME-Version: 1.0\nContent-Type: text/plain\n\n",
            "From nobody\nContent-Type: multipart/mixed; boundary=b\n\n",
        ] {
            let is_crlf_script = data == "#!/usr/bin/env python3\r";
            assert_eq!(
                find_user_data_problem(data.as_bytes(), UserDataReader::CloudInit).is_some(),
                is_crlf_script,
                "{data:?}"
            );
        }
    }
}
