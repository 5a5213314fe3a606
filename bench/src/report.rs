//! Figures as people and programs read them.

use std::fmt;
use std::fs;
use std::path::Path;

use anyhow::Context;
use serde::Serialize;

use crate::sample::Sample;

/// What a figure should be.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Aim {
    /// This or more.
    AtLeast(f64),
    /// This or less.
    AtMost(f64),
}

impl Aim {
    fn is_reached(self, value: f64) -> bool {
        match self {
            Aim::AtLeast(aim) => value >= aim,
            Aim::AtMost(aim) => value <= aim,
        }
    }
}

/// One line of the result.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Figure {
    /// The measurement it belongs to.
    pub stage: &'static str,
    /// What it is.
    pub what: String,
    /// The figure; the median where there are several measurements.
    pub value: f64,
    /// Its unit, such as `ms`; `×` for a ratio.
    pub unit: &'static str,
    /// Smallest and largest of several measurements.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub range: Option<(f64, f64)>,
    /// What it should be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aim: Option<Aim>,
    /// Whether it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reached: Option<bool>,
    /// What it stands on.
    pub note: String,
}

impl Figure {
    /// A single value.
    pub fn new(
        stage: &'static str,
        what: impl Into<String>,
        value: f64,
        unit: &'static str,
    ) -> Self {
        Figure {
            stage,
            what: what.into(),
            value,
            unit,
            range: None,
            aim: None,
            reached: None,
            note: String::new(),
        }
    }

    /// The median of several.
    pub fn median(
        stage: &'static str,
        what: impl Into<String>,
        sample: &Sample,
        unit: &'static str,
    ) -> Self {
        let mut figure = Figure::new(stage, what, sample.median(), unit);
        figure.range = Some(sample.range());
        figure
    }

    /// With what it should be.
    pub fn aim(mut self, aim: Aim) -> Self {
        self.aim = Some(aim);
        self.reached = Some(aim.is_reached(self.value));
        self
    }

    /// With what it stands on.
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = format!("{} {}", Short(self.value), self.unit);
        let range = match self.range {
            Some((low, high)) => format!("({} – {})", Short(low), Short(high)),
            None => String::new(),
        };
        let aim = match (self.aim, self.reached) {
            (Some(Aim::AtLeast(aim)), Some(reached)) => {
                format!("≥ {} {}", Short(aim), said(reached))
            }
            (Some(Aim::AtMost(aim)), Some(reached)) => {
                format!("≤ {} {}", Short(aim), said(reached))
            }
            _ => String::new(),
        };
        write!(
            f,
            "{:<9} {:<50} {value:>14} {range:<22} {aim:<16} {}",
            self.stage, self.what, self.note
        )
    }
}

fn said(reached: bool) -> &'static str {
    if reached { "reached" } else { "MISSED" }
}

/// A number with about three digits that mean something.
struct Short(f64);

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.abs() {
            100.0.. => write!(f, "{:.0}", self.0),
            10.0..100.0 => write!(f, "{:.1}", self.0),
            _ => write!(f, "{:.2}", self.0),
        }
    }
}

/// A whole run.
#[derive(Debug, Serialize)]
pub struct Report {
    /// When it began.
    pub at: chrono::DateTime<chrono::Utc>,
    /// Whether it was a short one.
    pub quick: bool,
    /// The processor.
    pub processor: String,
    /// Cores this process may use.
    pub cores: usize,
    /// Processes that wanted to run in the minute before: what else the machine had to do.
    pub load_before: f64,
    /// The figures in the order they were measured.
    pub figures: Vec<Figure>,
}

impl Report {
    /// A report of this machine, without figures yet.
    pub fn new(quick: bool) -> Report {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        Report {
            at: chrono::Utc::now(),
            quick,
            processor: processor(&read("/proc/cpuinfo"))
                .unwrap_or("unknown")
                .to_owned(),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            load_before: load(&read("/proc/loadavg")).unwrap_or(f64::NAN),
            figures: Vec::new(),
        }
    }

    /// What it is measured on, in one line.
    pub fn machine(&self) -> String {
        format!(
            "{}, {} cores, load {} before the run",
            self.processor,
            self.cores,
            Short(self.load_before)
        )
    }

    /// Writes it as JSON.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, file: &Path) -> anyhow::Result<()> {
        let json = serde_json::to_string_pretty(self)?;
        fs::write(file, json + "\n").with_context(|| format!("cannot write {}", file.display()))
    }
}

fn processor(cpuinfo: &str) -> Option<&str> {
    let line = cpuinfo
        .lines()
        .find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim())
}

fn load(loadavg: &str) -> Option<f64> {
    loadavg.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_aim_is_reached_at_its_value() {
        for (aim, value, reached) in [
            (Aim::AtLeast(0.5), 0.5, true),
            (Aim::AtLeast(0.5), 0.49, false),
            (Aim::AtMost(150.0), 150.0, true),
            (Aim::AtMost(150.0), 151.0, false),
            (Aim::AtMost(150.0), f64::NAN, false),
        ] {
            let figure = Figure::new("x", "y", value, "ms").aim(aim);
            assert_eq!(figure.reached, Some(reached), "{aim:?} {value}");
        }
    }

    #[test]
    fn a_line_says_value_range_and_aim() {
        let sample = Sample::new([0.61, 0.584, 0.702]);
        let figure = Figure::median("consumer", "of its limit", &sample, "×");
        let line = figure.aim(Aim::AtLeast(0.5)).note("3 runs").to_string();
        let words: Vec<&str> = line.split_whitespace().collect();
        let expected = "consumer of its limit 0.61 × (0.58 – 0.70) ≥ 0.50 reached 3 runs";
        assert_eq!(words.join(" "), expected);
    }

    #[test]
    fn linux_is_understood() {
        assert_eq!(processor("x\nmodel name\t: A CPU\n"), Some("A CPU"));
        assert_eq!(load("1.25 0.5 0.1 1/2 3"), Some(1.25));
    }
}
