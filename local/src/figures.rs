//! How far the pipeline is, in the few figures that people ask for.

use std::fmt;
use std::time::Duration;

use chrono::{DateTime, Utc};
use indicatif::HumanCount;

/// How far the pipeline is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Figures {
    /// Polls published by this process.
    pub polls: u64,
    /// Polls of this process that failed.
    pub failed: u64,
    /// Why the last one did.
    pub last_error: Option<String>,
    /// Rows this process has committed to the lake.
    pub committed: u64,
    /// Rows the marts are made of, whoever brought them.
    pub in_marts: u64,
    /// The generation that readers see; 0 before the first.
    pub generation: u64,
    /// Time of the newest poll in the marts.
    pub newest: Option<DateTime<Utc>>,
}

impl Figures {
    /// Takes together what the services say of themselves.
    pub fn of(
        produced: &producer::Progress,
        consumed: &consumer::Progress,
        marts: &transformer::Status,
    ) -> Figures {
        Figures {
            polls: produced.polls,
            failed: produced.failed,
            last_error: produced.last_error.clone(),
            committed: consumed.rows_committed,
            in_marts: marts.rows,
            generation: marts.generation,
            newest: marts.as_of,
        }
    }

    /// How old the newest poll in the marts is.
    pub fn age(&self, now: DateTime<Utc>) -> Option<Duration> {
        self.newest?;
        let age = now.signed_duration_since(self.newest?);
        Some(age.to_std().unwrap_or_default())
    }

    /// The status line.
    pub fn line(&self, now: DateTime<Utc>) -> String {
        let mut line = format!(
            "{} polls, {} rows in the lake, {} in the marts, generation {}",
            HumanCount(self.polls),
            HumanCount(self.committed),
            HumanCount(self.in_marts),
            self.generation,
        );
        if let Some(age) = self.age(now) {
            line.push_str(&format!(", newest poll {} old", Seconds(age)));
        }
        if let Some(error) = &self.last_error {
            line.push_str(&format!("; {} polls failed, last: {error}", self.failed));
        }
        line
    }
}

/// What happened for the first time in this process.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Milestones {
    reached: usize,
}

impl Milestones {
    /// What has happened since the last call, in the order of the data.
    pub fn reached(&mut self, before: &Figures, now: &Figures) -> &'static [&'static str] {
        const ALL: &[&str] = &[
            "the first poll is published",
            "its rows are in the lake",
            "the marts are published",
        ];
        let is_reached = [
            now.polls > 0,
            now.committed > 0,
            now.committed > 0 && now.generation > before.generation && now.in_marts > 0,
        ];
        let count = is_reached.iter().take_while(|reached| **reached).count();
        let from = self.reached;
        self.reached = count.max(from);
        ALL.get(from..self.reached).unwrap_or_default()
    }
}

/// A duration as people say it: seconds below two minutes, then minutes, hours and days.
pub struct Seconds(pub Duration);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        match seconds {
            0..120 => write!(f, "{seconds} s"),
            120..7_200 => write!(f, "{} min", seconds / 60),
            7_200..172_800 => write!(f, "{} h", seconds / 3_600),
            _ => write!(f, "{} days", seconds / 86_400),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_says_what_is_known() {
        let mut figures = Figures {
            polls: 12,
            committed: 24_000,
            in_marts: 23_990,
            generation: 7,
            ..Figures::default()
        };
        let at = |seconds| DateTime::from_timestamp(seconds, 0).unwrap();
        let start = "12 polls, 24,000 rows in the lake, 23,990 in the marts, generation 7";
        assert_eq!(figures.line(at(100)), start);
        figures.newest = Some(at(97));
        assert_eq!(
            figures.line(at(100)),
            format!("{start}, newest poll 3 s old")
        );
        // A simulated clock may be ahead of ours.
        assert_eq!(
            figures.line(at(90)),
            format!("{start}, newest poll 0 s old")
        );
        figures.failed = 2;
        figures.last_error = Some("status 503".to_owned());
        assert!(
            figures
                .line(at(100))
                .ends_with("; 2 polls failed, last: status 503")
        );
    }

    #[test]
    fn a_milestone_is_told_once_and_in_order() {
        let before = Figures {
            generation: 4,
            in_marts: 10,
            ..Figures::default()
        };
        let mut now = before.clone();
        let mut milestones = Milestones::default();
        assert!(milestones.reached(&before, &now).is_empty());
        now.polls = 1;
        now.committed = 10;
        assert_eq!(milestones.reached(&before, &now).len(), 2);
        assert!(milestones.reached(&before, &now).is_empty());
        now.generation = 5;
        assert_eq!(
            milestones.reached(&before, &now),
            ["the marts are published"]
        );
        assert!(milestones.reached(&before, &now).is_empty());
    }

    #[test]
    fn ages_have_the_unit_that_fits() {
        let check = |seconds, expected: &str| {
            assert_eq!(Seconds(Duration::from_secs(seconds)).to_string(), expected);
        };
        check(119, "119 s");
        check(120, "2 min");
        check(7_300, "2 h");
        check(200_000, "2 days");
    }
}
