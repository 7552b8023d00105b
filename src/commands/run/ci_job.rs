//! The job of a CI pipeline that this process belongs to, as its variables tell.

use crate::settings::Environment;

/// The variables that identify one attempt of one job, by the forge. The first is there in each job of it.
/// - <https://docs.github.com/en/actions/reference/workflows-and-actions/variables>
/// - <https://docs.gitlab.com/ci/variables/predefined_variables/>
/// - <https://buildkite.com/docs/pipelines/configure/environment-variables>
/// - <https://circleci.com/docs/reference/variables/>
const JOB_VARIABLES: [&[&str]; 4] = [
    // The jobs of a matrix have the same name; the tracking id differs.
    &[
        "GITHUB_RUN_ID",
        "GITHUB_REPOSITORY",
        "GITHUB_RUN_ATTEMPT",
        "GITHUB_JOB",
        "RUNNER_TRACKING_ID",
    ],
    &["CI_JOB_ID", "CI_SERVER_HOST", "CI_PROJECT_ID"],
    &["BUILDKITE_JOB_ID"],
    &["CIRCLE_WORKFLOW_JOB_ID", "CIRCLE_NODE_INDEX"],
];

/// A text that is the same in all steps of one attempt of a job, and in no other job; `None` outside of a known pipeline.
pub(super) fn identify_job(environment: &Environment) -> Option<String> {
    let variables = JOB_VARIABLES
        .iter()
        .find(|variables| environment.get(variables[0]).is_some())?;
    let values = variables
        .iter()
        .map(|name| format!("{name}={}", environment.get(name).unwrap_or_default()));
    Some(values.collect::<Vec<_>>().join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn job_is_identified_by_its_attempt() {
        let environment = |attempt: &str| {
            Environment::new(
                [
                    ("CI", "true"),
                    ("GITHUB_RUN_ID", "77"),
                    ("GITHUB_RUN_ATTEMPT", attempt),
                    ("GITHUB_JOB", "test"),
                ]
                .map(|(name, value)| (name.to_owned(), value.to_owned())),
            )
        };
        let first = identify_job(&environment("1")).unwrap();
        assert_eq!(first, identify_job(&environment("1")).unwrap());
        assert_ne!(first, identify_job(&environment("2")).unwrap());
        assert_eq!(identify_job(&Environment::new([])), None);
    }
}
