//! Named steps at which a test can end the process, or make the step fail.
//!
//! Without the feature `failpoints` every point is a constant `false` and costs nothing. With it:
//! - a process: the environment `CONTRAIL_CRASH_AT=name`, or `name:3` for the third time the step
//!   is reached, aborts the process there, as a power failure would: no destructor runs;
//! - inside a test's own process: `fail::cfg("name", "return")` makes
//!   `crash_point!("name", return Err(…))` do what it says, and `"panic"`, `"pause"` and
//!   `"sleep(ms)"` work at any point.

/// Marks the step `name`; the same as `crash_point!(name)`.
#[inline(always)]
pub fn point(name: &str) {
    hit(name);
}

/// Marks a step: `crash_point!("consumer.commit.before")`, or with what to do when a test asks
/// for a failure there: `crash_point!("consumer.commit.before", return Err(error))`.
#[macro_export]
macro_rules! crash_point {
    ($name:expr) => {
        $crate::crash::point($name)
    };
    ($name:expr, $effect:expr) => {
        if $crate::crash::hit($name) {
            $effect
        }
    };
}

/// Whether a test asked this step to fail. Use [`crash_point!`](crate::crash_point).
#[cfg(not(feature = "failpoints"))]
#[doc(hidden)]
#[inline(always)]
pub fn hit(_name: &str) -> bool {
    false
}

#[cfg(feature = "failpoints")]
#[doc(hidden)]
pub use armed::hit;

#[cfg(feature = "failpoints")]
mod armed {
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// Where this process is to be aborted.
    struct Target {
        name: String,
        hits_left: AtomicUsize,
    }

    static TARGET: LazyLock<Option<Target>> =
        LazyLock::new(|| parse(&std::env::var("CONTRAIL_CRASH_AT").ok()?));

    /// Reads `name` or `name:3`; an empty name is none.
    fn parse(text: &str) -> Option<Target> {
        let (name, hits) = match text.rsplit_once(':') {
            Some((name, hits)) => (name, hits.parse().ok()?),
            None => (text, 1),
        };
        (!name.is_empty() && hits > 0).then(|| Target {
            name: name.to_owned(),
            hits_left: AtomicUsize::new(hits),
        })
    }

    /// Aborts here when the environment says so; else whether a test asked this step to fail.
    pub fn hit(name: &str) -> bool {
        if let Some(target) = &*TARGET
            && target.name == name
            && target.hits_left.fetch_sub(1, Ordering::SeqCst) == 1
        {
            eprintln!("crash point {name} reached, aborting");
            std::process::abort();
        }
        fail::eval(name, |_| ()).is_some()
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn reads_the_name_and_the_count() {
            let read = |text| parse(text).map(|t| (t.name, t.hits_left.into_inner()));
            assert_eq!(read("a.b"), Some(("a.b".into(), 1)));
            assert_eq!(read("a.b:3"), Some(("a.b".into(), 3)));
            assert_eq!(read("a.b:0"), None);
            assert_eq!(read("a.b:x"), None);
            assert_eq!(read(""), None);
        }
    }
}
