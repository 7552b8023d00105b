//! Keeps the answers of look-ups for a short time.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::OnceCell;
use tokio::time::Instant;

use crate::cloud::Result;

/// How long an answer is kept. A create call follows its look-ups sooner than that. A change in the cloud is seen after
/// this time at the latest.
const MAX_AGE: Duration = Duration::from_secs(60);

/// The answers of one kind of look-up. Each is looked up once, also by callers that need it at the same time: they wait for
/// the first one, and get its error if it fails. An error is not kept for later callers.
pub(crate) struct LookupCache<K, V> {
    answers: Mutex<HashMap<K, Arc<Answer<V>>>>,
}

struct Answer<V> {
    started_at: Instant,
    value: OnceCell<Result<V>>,
}

impl<V> Answer<V> {
    fn is_recent(&self) -> bool {
        self.started_at.elapsed() < MAX_AGE
    }
}

impl<K, V> Default for LookupCache<K, V> {
    fn default() -> Self {
        Self {
            answers: Mutex::default(),
        }
    }
}

impl<K: Hash + Eq + Clone, V: Clone> LookupCache<K, V> {
    /// Gives the answer for a key. Runs `look_up` if there is none, and keeps what it gives. If a caller that looks up is
    /// dropped, the next one looks up.
    ///
    /// # Errors
    /// Those of the look-up.
    pub(crate) async fn get_or_look_up(&self, key: K, look_up: impl Future<Output = Result<V>>) -> Result<V> {
        let answer = match self.find_recent(&key) {
            Some(answer) => answer,
            None => self.insert_answer(key.clone(), OnceCell::new()),
        };
        let value = answer.value.get_or_init(|| look_up).await.clone();
        if value.is_err() {
            let mut answers = self.lock();
            if answers.get(&key).is_some_and(|kept| Arc::ptr_eq(kept, &answer)) {
                answers.remove(&key);
            }
        }
        value
    }

    /// Gives the answer for a key that is kept, or the one of `look_up`, which is not kept.
    ///
    /// # Errors
    /// Those of the look-up.
    pub(crate) async fn kept_or_look_up(&self, key: &K, look_up: impl Future<Output = Result<V>>) -> Result<V> {
        match self.find_recent(key) {
            Some(answer) => answer.value.get_or_init(|| look_up).await.clone(),
            None => look_up.await,
        }
    }

    /// Keeps an answer that is known without a look-up.
    pub(crate) fn insert(&self, key: K, value: V) {
        self.insert_answer(key, OnceCell::new_with(Some(Ok(value))));
    }

    fn insert_answer(&self, key: K, value: OnceCell<Result<V>>) -> Arc<Answer<V>> {
        let answer = Arc::new(Answer {
            started_at: Instant::now(),
            value,
        });
        self.lock().insert(key, Arc::clone(&answer));
        answer
    }

    fn find_recent(&self, key: &K) -> Option<Arc<Answer<V>>> {
        self.lock().get(key).filter(|answer| answer.is_recent()).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<K, Arc<Answer<V>>>> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
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
            tokio::time::sleep(Duration::from_secs(1)).await;
            Ok(7)
        };
        let answers = join_all((0..10).map(|_| cache.get_or_look_up("key", look_up()))).await;
        assert!(answers.into_iter().all(|answer| answer.ok() == Some(7)));
        assert_eq!(looked_up.get(), 1);
        assert_eq!(cache.get_or_look_up("other", look_up()).await.ok(), Some(7));
        assert_eq!(looked_up.get(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn answer_is_looked_up_again_after_a_minute() {
        let (cache, looked_up) = (LookupCache::default(), Cell::new(0));
        let look_up = || async {
            looked_up.set(looked_up.get() + 1);
            Ok(looked_up.get())
        };
        // Not kept.
        assert_eq!(cache.kept_or_look_up(&"key", look_up()).await.ok(), Some(1));
        assert_eq!(cache.get_or_look_up("key", look_up()).await.ok(), Some(2));
        tokio::time::sleep(MAX_AGE - Duration::from_secs(1)).await;
        assert_eq!(cache.kept_or_look_up(&"key", look_up()).await.ok(), Some(2));
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(cache.get_or_look_up("key", look_up()).await.ok(), Some(3));
    }

    #[tokio::test(start_paused = true)]
    async fn error_is_shared_and_not_kept() {
        let (cache, looked_up) = (LookupCache::default(), Cell::new(0));
        let look_up = || async {
            looked_up.set(looked_up.get() + 1);
            tokio::time::sleep(Duration::from_secs(1)).await;
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
