//! Changes of many targets: groups them for the calls, sends calls at the same time, and puts the results in order.

use std::collections::BTreeMap;
use std::future::Future;

use futures_util::stream::{self, StreamExt};

use crate::cloud::{Error, ErrorKind, InstanceRef, Result, TargetOutcome};

/// Some of the targets, each with its position among all targets.
pub(crate) type IndexedTargets<'a> = Vec<(usize, &'a InstanceRef)>;
/// Results, each with the position of its target.
pub(crate) type IndexedResults<T = ()> = Vec<(usize, Result<T>)>;

/// Groups the targets by what one call can change.
pub(crate) fn group_by<'a, K: Ord>(
    targets: &'a [InstanceRef],
    key: impl Fn(&'a InstanceRef) -> K,
) -> BTreeMap<K, IndexedTargets<'a>> {
    let mut groups: BTreeMap<K, IndexedTargets<'a>> = BTreeMap::new();
    for (position, target) in targets.iter().enumerate() {
        groups.entry(key(target)).or_default().push((position, target));
    }
    groups
}

/// Groups the targets by their regions or zones.
pub(crate) fn group_by_location(targets: &[InstanceRef]) -> BTreeMap<&str, IndexedTargets<'_>> {
    group_by(targets, |target| target.scope.as_str())
}

/// Makes one outcome for each target, in the order of the targets. A target without a result may have been changed.
pub(crate) fn outcomes_in_order(
    targets: &[InstanceRef],
    results: impl IntoIterator<Item = (usize, Result<()>)>,
) -> Vec<TargetOutcome> {
    let mut results: BTreeMap<usize, Result<()>> = results.into_iter().collect();
    let outcome = |(position, target): (usize, &InstanceRef)| TargetOutcome {
        target: target.clone(),
        result: results
            .remove(&position)
            .unwrap_or_else(|| Err(no_result_error(target))),
    };
    targets.iter().enumerate().map(outcome).collect()
}

fn no_result_error(target: &InstanceRef) -> Error {
    Error::new(
        ErrorKind::UnknownOutcome,
        format!("{target} may have been changed: it has no result"),
    )
    .naming(target)
    .with_leftover(target)
}

/// Runs futures, at most `max` at the same time. Returns their outputs in the order of the futures.
pub(crate) async fn run_concurrently<F: Future>(max: usize, futures: impl IntoIterator<Item = F>) -> Vec<F::Output> {
    let indexed = futures
        .into_iter()
        .enumerate()
        .map(|(index, future)| async move { (index, future.await) });
    // The futures are made here: a stream over their iterator would not be `Send`.
    let indexed: Vec<_> = indexed.collect();
    let mut outputs: Vec<_> = stream::iter(indexed).buffer_unordered(max).collect().await;
    outputs.sort_by_key(|(index, _)| *index);
    outputs.into_iter().map(|(_, output)| output).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use tokio::time::{Instant, sleep};

    use super::*;
    use crate::cloud::{Instance, ProviderKind};

    fn target(scope: &str, id: &str) -> InstanceRef {
        Instance::with_id_only(ProviderKind::ALL[0], scope.to_owned(), id.to_owned()).reference
    }

    #[test]
    fn targets_are_grouped_with_their_positions() {
        let targets = [target("b", "1"), target("a", "2"), target("b", "3")];
        let groups = group_by_location(&targets);
        let positions = |scope| groups[scope].iter().map(|(position, _)| *position).collect::<Vec<_>>();
        assert_eq!(groups.len(), 2);
        assert_eq!((positions("a"), positions("b")), (vec![1], vec![0, 2]));
    }

    #[test]
    fn outcomes_are_in_the_order_of_the_targets() {
        let targets = [target("b", "1"), target("a", "2"), target("b", "3")];
        let refused = Err(Error::new(ErrorKind::Refused, "no"));
        let outcomes = outcomes_in_order(&targets, [(2, refused), (0, Ok(()))]);
        let kinds = outcomes
            .iter()
            .map(|outcome| outcome.result.as_ref().err().map(Error::kind));
        assert_eq!(
            kinds.collect::<Vec<_>>(),
            [None, Some(ErrorKind::UnknownOutcome), Some(ErrorKind::Refused)]
        );
        assert!(
            outcomes
                .iter()
                .zip(&targets)
                .all(|(outcome, target)| outcome.target == *target)
        );
    }

    #[tokio::test(start_paused = true)]
    async fn futures_run_at_the_same_time_up_to_the_limit() {
        let (running, most) = (&AtomicUsize::new(0), &AtomicUsize::new(0));
        let started_at = Instant::now();
        let futures = [4, 1, 1, 1, 1].map(|seconds| async move {
            most.fetch_max(running.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
            sleep(Duration::from_secs(seconds)).await;
            running.fetch_sub(1, Ordering::Relaxed);
            seconds
        });
        assert_eq!(run_concurrently(2, futures).await, [4, 1, 1, 1, 1]);
        assert_eq!(most.load(Ordering::Relaxed), 2);
        // A slow future does not hold up the others.
        assert_eq!(started_at.elapsed().as_secs(), 4);
    }
}
