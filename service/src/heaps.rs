//! How many heaps the C library gives the threads of a program.

/// Lets all threads allocate from so many heaps. By default glibc gives up to eight a core, and each
/// holds on to the most that was ever allocated from it at once: with work that moves between the
/// threads of Tokio, librdkafka and DuckDB, memory grows on. To be called first in `main`.
pub fn limit(heaps: u8) {
    #[cfg(target_env = "gnu")]
    // SAFETY: it only sets a number, and no other thread runs yet. Should it be refused, more
    // memory is used.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, heaps.into());
    }
    #[cfg(not(target_env = "gnu"))]
    let _ = heaps;
}

#[cfg(test)]
#[cfg(target_env = "gnu")]
mod tests {
    use std::process::Command;

    /// Set when the test runs itself as a program of its own, which has no heaps yet.
    const CHILD: &str = "CONTRAIL_TEST_HEAPS";

    /// Address space that glibc reserves for each heap but the first.
    const RESERVED: usize = 64 << 20;

    /// Lets eight threads allocate at the same time, and says how much address space that took.
    fn reserved() -> usize {
        let size = || {
            let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
            let pages: usize = statm.split(' ').next().unwrap().parse().unwrap();
            pages * 4096
        };
        let barrier = std::sync::Barrier::new(9);
        let before = size();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let kept = std::hint::black_box(vec![1_u8; 100]);
                    barrier.wait();
                    barrier.wait();
                    drop(kept);
                });
            }
            barrier.wait();
            let after = size();
            barrier.wait();
            after - before
        })
    }

    #[test]
    fn threads_share_the_heaps() {
        if let Ok(limit) = std::env::var(CHILD) {
            if limit == "1" {
                super::limit(1);
            }
            println!("reserved={}", reserved());
            return;
        }
        let ask = |limit: &str| -> usize {
            let mut child = Command::new(std::env::current_exe().unwrap());
            child.args([
                "--exact",
                "heaps::tests::threads_share_the_heaps",
                "--nocapture",
            ]);
            let output = child.env(CHILD, limit).output().unwrap();
            let text = String::from_utf8(output.stdout).unwrap();
            let number = text.split("reserved=").nth(1).unwrap();
            number.lines().next().unwrap().trim().parse().unwrap()
        };
        let (limited, unlimited) = (ask("1"), ask("none"));
        assert!(
            unlimited >= limited + 4 * RESERVED,
            "{limited} bytes, and {unlimited} without a limit"
        );
    }
}
