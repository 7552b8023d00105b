//! Keeps the answers of look-ups while a command runs.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OnceCell;

use crate::cloud::Result;

/// The answers of one kind of look-up. Each is looked up once, also by callers that need it at the same time: they wait for
/// the first one, and get its error if it fails. An error is not kept for later callers.
pub(crate) struct LookupCache<K, V> {
    answers: Mutex<HashMap<K, Arc<OnceCell<Result<V>>>>>,
}

impl<K, V> Default for LookupCache<K, V> {
    fn default() -> Self {
        Self {
            answers: Mutex::default(),
        }
    }
}

impl<K: Hash + Eq + Clone, V: Clone> LookupCache<K, V> {
    /// Gives the answer for a key, and runs `look_up` if nobody did.
    ///
    /// # Errors
    /// Those of the look-up.
    pub(crate) async fn get_or_look_up(&self, key: K, look_up: impl Future<Output = Result<V>>) -> Result<V> {
        let cell = {
            let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(answers.entry(key.clone()).or_default())
        };
        let answer = cell.get_or_init(|| look_up).await.clone();
        if answer.is_err() {
            let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
            if answers.get(&key).is_some_and(|kept| Arc::ptr_eq(kept, &cell)) {
                answers.remove(&key);
            }
        }
        answer
    }

    /// Keeps an answer that is known without a look-up.
    pub(crate) fn insert(&self, key: K, answer: V) {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.insert(key, Arc::new(OnceCell::new_with(Some(Ok(answer)))));
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use futures_util::future::join_all;

    use super::*;
    use crate::cloud::{Error, ErrorKind};

    #[tokio::test(start_paused = true)]
    async fn callers_at_the_same_time_share_one_look_up() {
        let (cache, looked_up) = (LookupCache::default(), Cell::new(0));
        let look_up = || async {
            looked_up.set(looked_up.get() + 1);
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
            Ok(7)
        };
        let answers = join_all((0..10).map(|_| cache.get_or_look_up("key", look_up()))).await;
        assert!(answers.into_iter().all(|answer| answer.ok() == Some(7)));
        assert_eq!(looked_up.get(), 1);
        assert_eq!(cache.get_or_look_up("other", look_up()).await.ok(), Some(7));
        assert_eq!(looked_up.get(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn error_is_shared_and_not_kept() {
        let (cache, looked_up) = (LookupCache::default(), Cell::new(0));
        let look_up = || async {
            looked_up.set(looked_up.get() + 1);
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
            match looked_up.get() {
                1 => Err(Error::new(ErrorKind::Network, "no answer")),
                _ => Ok(7),
            }
        };
        let answers = join_all((0..10).map(|_| cache.get_or_look_up("key", look_up()))).await;
        assert!(answers.into_iter().all(|answer| answer.is_err()));
        assert_eq!(cache.get_or_look_up("key", look_up()).await.ok(), Some(7));
        assert_eq!(looked_up.get(), 2);
    }
}
