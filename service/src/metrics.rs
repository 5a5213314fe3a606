//! The process's metrics: the `metrics` facade, kept for Prometheus, and the process's own figures.
//!
//! Services record with the facade's macros (`metrics::counter!("contrail_…_total")`). Names are
//! `contrail_<service>_<what>_<unit>`; a histogram in `_seconds` gets latency buckets.

use std::fmt::Write as _;
use std::fs;
use std::sync::OnceLock;
use std::time::Duration;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder};

pub use metrics_exporter_prometheus::PrometheusHandle;

/// Upper bounds of the buckets of every `_seconds` histogram.
const SECONDS: &[f64] = &[
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0,
];

/// How often recorded histogram values are folded together; between, they take memory.
const UPKEEP: Duration = Duration::from_secs(5);

/// Clock ticks a second in `/proc/self/stat`; fixed by Linux's user-space interface.
const TICKS_PER_SECOND: f64 = 100.0;

static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();

/// Installs the recorder, once a process, and gives the handle that renders it.
///
/// When a recorder that is not ours is already in place, that one stays and the handle renders
/// nothing.
pub fn install_recorder() -> PrometheusHandle {
    HANDLE.get_or_init(install).clone()
}

fn install() -> PrometheusHandle {
    let builder = PrometheusBuilder::new();
    // The bounds are a constant that is not empty, the only thing this call refuses.
    let builder = builder
        .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), SECONDS)
        .unwrap_or_else(|_| PrometheusBuilder::new());
    let recorder = builder.build_recorder();
    let handle = recorder.handle();
    if ::metrics::set_global_recorder(recorder).is_err() {
        tracing::warn!("another metrics recorder is in place, /metrics will be empty");
    }
    let upkeep = handle.clone();
    let spawned = std::thread::Builder::new()
        .name("metrics-upkeep".into())
        .spawn(move || {
            loop {
                std::thread::sleep(UPKEEP);
                upkeep.run_upkeep();
            }
        });
    if let Err(error) = spawned {
        tracing::warn!(%error, "cannot start the metrics upkeep thread");
    }
    handle
}

/// Everything in Prometheus' text format: what was recorded, then the process's own figures.
pub fn render(handle: &PrometheusHandle) -> String {
    let mut text = handle.render();
    ProcessFigures::read().write_to(&mut text);
    text
}

/// What Linux says about this process; a figure it does not give is left out.
#[derive(Debug, Default, PartialEq)]
struct ProcessFigures {
    resident_bytes: Option<u64>,
    cpu_seconds: Option<f64>,
    open_fds: Option<usize>,
}

impl ProcessFigures {
    fn read() -> ProcessFigures {
        let text = |path| fs::read_to_string(path).ok();
        ProcessFigures {
            resident_bytes: text("/proc/self/status").and_then(|s| resident_bytes(&s)),
            cpu_seconds: text("/proc/self/stat").and_then(|s| cpu_seconds(&s)),
            // The folder's own handle is open while it is counted.
            open_fds: fs::read_dir("/proc/self/fd")
                .ok()
                .map(|fds| fds.count().saturating_sub(1)),
        }
    }

    fn write_to(&self, out: &mut String) {
        if let Some(bytes) = self.resident_bytes {
            figure(out, "process_resident_memory_bytes", "gauge", bytes);
        }
        if let Some(seconds) = self.cpu_seconds {
            figure(out, "process_cpu_seconds_total", "counter", seconds);
        }
        if let Some(fds) = self.open_fds {
            figure(out, "process_open_fds", "gauge", fds);
        }
    }
}

fn figure(out: &mut String, name: &str, kind: &str, value: impl std::fmt::Display) {
    // Writing to a String does not fail.
    let _ = writeln!(out, "# TYPE {name} {kind}\n{name} {value}");
}

/// Resident memory in bytes, from the text of `/proc/self/status`.
fn resident_bytes(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kibibytes * 1024)
}

/// User and system time in seconds, from the text of `/proc/self/stat`. The fields are counted
/// from the last `)`, since the program's name before it may hold anything.
fn cpu_seconds(stat: &str) -> Option<f64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some((user + system) as f64 / TICKS_PER_SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_linux_writes() {
        assert_eq!(
            resident_bytes("Name:\tx\nVmRSS:\t   2048 kB\n"),
            Some(2_097_152)
        );
        assert_eq!(resident_bytes("Name:\tx\n"), None);
        let stat = "7 (odd) name) S 1 7 7 0 -1 4 0 0 0 0 150 50 0 0 20 0 9 0 1 1 1";
        assert_eq!(cpu_seconds(stat), Some(2.0));
        assert_eq!(cpu_seconds("7 x"), None);
    }

    #[test]
    fn this_process_has_every_figure() {
        let figures = ProcessFigures::read();
        assert!(figures.resident_bytes.is_some_and(|b| b > 1 << 20));
        assert!(figures.cpu_seconds.is_some());
        assert!(figures.open_fds.is_some_and(|n| n >= 3));
    }

    #[test]
    fn installing_twice_keeps_one_recorder() {
        let (first, second) = (install_recorder(), install_recorder());
        ::metrics::counter!("contrail_test_total").increment(3);
        ::metrics::histogram!("contrail_test_seconds").record(0.2);
        for handle in [first, second] {
            let text = render(&handle);
            assert!(text.contains("contrail_test_total 3"), "{text}");
            assert!(
                text.contains("contrail_test_seconds_bucket{le=\"0.25\"} 1"),
                "{text}"
            );
            assert!(text.contains("# TYPE process_cpu_seconds_total counter"));
        }
    }
}
