//! Formats the settings of the clouds' own tools as a page of the documentation and as help text.

use super::{CloudToolSetting, SettingPlace, Topic, Treatment};
use crate::cloud::CloudInfo;

/// Each cloud with its known settings.
type Tables<'a> = &'a [(&'static CloudInfo, &'a [CloudToolSetting])];

const INTRODUCTION: &str = "\
cloudctl reads the settings of the AWS CLI, of gcloud and of their SDKs. Each setting below either works as described, or
is refused: the command ends with exit code 2 before any call, and the message names the setting. None is ignored.

A flag of cloudctl goes before a CLOUDCTL_* variable, that variable before the context in cloudctl's configuration file,
and all of them before the settings below. Of these, a variable goes before a file. An empty variable counts as not set.
`cloudctl context show` lists the values in use, and where each is set.
";

/// Formats the page `docs/settings.md`.
pub fn settings_page(tables: Tables<'_>) -> String {
    let mut page = format!("# Settings of the clouds' own tools\n\n{INTRODUCTION}");
    for TopicGroup { cloud, topic, settings } in group_by_topic(tables) {
        let heading = format!("\n## {}\n", cloud.title);
        if !page.contains(&heading) {
            page.push_str(&heading);
        }
        page.push_str(&format!("\n### {}\n\n", topic_title(topic)));
        page.push_str("| setting | where | what cloudctl does |\n| --- | --- | --- |\n");
        for setting in settings {
            let cells = [
                format!("`{}`", setting.name),
                describe_place(setting),
                describe_treatment(setting),
            ];
            let cells = cells.map(|cell| cell.replace('|', "\\|"));
            page.push_str(&format!("| {} |\n", cells.join(" | ")));
        }
    }
    page
}

/// Formats the help text `cloudctl help settings`.
pub fn settings_text(tables: Tables<'_>) -> String {
    let mut text = INTRODUCTION.to_owned();
    for TopicGroup { cloud, topic, settings } in group_by_topic(tables) {
        text.push_str(&format!("\n{}: {}\n", cloud.title, topic_title(topic).to_lowercase()));
        for setting in settings {
            let place = describe_place(setting).replace('`', "");
            text.push_str(&format!(
                "  {} ({place})\n      {}\n",
                setting.name,
                describe_treatment(setting)
            ));
        }
    }
    text
}

struct TopicGroup<'a> {
    cloud: &'static CloudInfo,
    topic: Topic,
    settings: Vec<&'a CloudToolSetting>,
}

/// Groups the settings by cloud and topic, each in the order of its table.
fn group_by_topic<'a>(tables: Tables<'a>) -> Vec<TopicGroup<'a>> {
    let mut groups: Vec<TopicGroup<'a>> = Vec::new();
    for (cloud, settings) in tables {
        let mut settings: Vec<_> = settings.iter().collect();
        settings.sort_by_key(|setting| setting.topic);
        for setting in settings {
            match groups.last_mut() {
                Some(group) if group.cloud.kind == cloud.kind && group.topic == setting.topic => {
                    group.settings.push(setting)
                }
                _ => groups.push(TopicGroup {
                    cloud,
                    topic: setting.topic,
                    settings: vec![setting],
                }),
            }
        }
    }
    groups
}

fn topic_title(topic: Topic) -> &'static str {
    match topic {
        Topic::Credentials => "Credentials",
        Topic::Account => "Account and project",
        Topic::Location => "Region and zone",
        Topic::Endpoint => "Endpoints",
        Topic::Network => "Certificates and proxies",
        Topic::Retries => "Retries and time limits",
    }
}

fn describe_place(setting: &CloudToolSetting) -> String {
    match setting.place {
        SettingPlace::Variable => "environment variable".to_owned(),
        SettingPlace::AwsProfile => "profile in `~/.aws/config` or `~/.aws/credentials`".to_owned(),
        SettingPlace::GcloudProperty => {
            let variable = setting.name.replace('/', "_").to_uppercase();
            format!("gcloud property, or `CLOUDSDK_{variable}`")
        }
    }
}

fn describe_treatment(setting: &CloudToolSetting) -> String {
    match setting.treatment {
        Treatment::Honoured(effect) => effect.to_owned(),
        Treatment::Refused(instead) => format!("refused: {instead}"),
    }
}
