//! Failures on demand: at a rate from the configuration, or the next few requests by a
//! test. A failing request is chosen by its number and the seed, not by chance.

use std::collections::VecDeque;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::FaultConfig;
use crate::draws::{About, Draws};

/// A way to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// Answers 500 with a JSON error.
    #[serde(rename = "status_500")]
    Status500,
    /// Answers 503 with a proxy's HTML.
    #[serde(rename = "status_503")]
    Status503,
    /// Answers right, but only after `slow_for`.
    Slow,
    /// Answers 200 with the first half of the JSON.
    Truncated,
    /// Announces the whole body, sends half of it, and closes the connection.
    BrokenOff,
    /// Answers 200 with a page of HTML.
    NonJson,
    /// Keeps the caller waiting for `timeout_after`, then answers 504.
    Timeout,
    /// Answers 401, whatever the token.
    Unauthorized,
    /// Answers 429 with `retry_after` in `X-Rate-Limit-Retry-After-Seconds`.
    RateLimited,
    /// Answers with `"states": null`.
    Empty,
    /// Answers with a tenth of the aircraft, as when many receivers are lost.
    Collapse,
    /// The token endpoint answers 503; other requests are not affected.
    #[serde(rename = "token_503")]
    Token503,
}

impl Fault {
    /// Every fault.
    pub const ALL: [Self; 12] = [
        Self::Status500,
        Self::Status503,
        Self::Slow,
        Self::Truncated,
        Self::BrokenOff,
        Self::NonJson,
        Self::Timeout,
        Self::Unauthorized,
        Self::RateLimited,
        Self::Empty,
        Self::Collapse,
        Self::Token503,
    ];

    fn is_of_token(self) -> bool {
        self == Self::Token503
    }
}

/// Which requests fail.
#[derive(Debug)]
pub(crate) struct Faults {
    rates: Vec<(Fault, f64)>,
    seed: u64,
    /// Faults to come, in order, with how often.
    injected: VecDeque<(Fault, u32)>,
}

impl Faults {
    pub(crate) fn new(config: &FaultConfig, seed: u64) -> Self {
        Self {
            rates: config.rates().to_vec(),
            seed,
            injected: VecDeque::new(),
        }
    }

    /// The next `times` requests that it can hit fail so, after those injected before.
    pub(crate) fn inject(&mut self, fault: Fault, times: u32) {
        if times > 0 {
            self.injected.push_back((fault, times));
        }
    }

    /// Forgets what was injected.
    pub(crate) fn clear(&mut self) {
        self.injected.clear();
    }

    /// How the `number`-th request to the API fails, if it does.
    pub(crate) fn of_request(&mut self, number: u64) -> Option<Fault> {
        self.take(false).or_else(|| self.drawn(number, false))
    }

    /// How the `number`-th request for a token fails, if it does.
    pub(crate) fn of_token(&mut self, number: u64) -> Option<Fault> {
        self.take(true).or_else(|| self.drawn(number, true))
    }

    fn take(&mut self, token: bool) -> Option<Fault> {
        let at = self
            .injected
            .iter()
            .position(|(fault, _)| fault.is_of_token() == token)?;
        let (fault, left) = self.injected.get_mut(at)?;
        let fault = *fault;
        *left -= 1;
        if *left == 0 {
            self.injected.remove(at);
        }
        Some(fault)
    }

    fn drawn(&self, number: u64, token: bool) -> Option<Fault> {
        let mut left = Draws::of(self.seed, About::Fault, [number, u64::from(token), 0]).unit();
        self.rates
            .iter()
            .filter(|(fault, _)| fault.is_of_token() == token)
            .find(|(_, rate)| {
                let hit = left < *rate;
                left -= rate;
                hit
            })
            .map(|(fault, _)| *fault)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn injected_faults_come_in_order_and_end() {
        let mut faults = Faults::new(&FaultConfig::default(), 1);
        faults.inject(Fault::Status500, 2);
        faults.inject(Fault::Token503, 1);
        faults.inject(Fault::Empty, 1);
        let drawn: Vec<_> = (0..4).map(|number| faults.of_request(number)).collect();
        assert_eq!(
            drawn,
            [
                Some(Fault::Status500),
                Some(Fault::Status500),
                Some(Fault::Empty),
                None
            ]
        );
        assert_eq!(faults.of_token(0), Some(Fault::Token503));
        assert_eq!(faults.of_token(1), None);
    }

    #[test]
    fn rates_are_kept_and_repeat_with_the_seed() {
        let config = FaultConfig {
            status_500: 0.1,
            slow: 0.2,
            ..FaultConfig::default()
        };
        let drawn = |seed| -> Vec<_> {
            let mut faults = Faults::new(&config, seed);
            (0..10_000).map(|n| faults.of_request(n)).collect()
        };
        let first = drawn(1);
        let count = |fault| first.iter().filter(|drawn| **drawn == fault).count();
        assert!((900..1_100).contains(&count(Some(Fault::Status500))));
        assert!((1_850..2_150).contains(&count(Some(Fault::Slow))));
        assert_eq!(first, drawn(1));
        assert_ne!(first, drawn(2));
    }

    #[test]
    fn faults_are_named_as_the_configuration_names_them() {
        let config = serde_json::to_value(FaultConfig::default()).unwrap();
        for fault in Fault::ALL {
            let name = serde_json::to_value(fault).unwrap();
            assert!(config.get(name.as_str().unwrap()).is_some(), "{name}");
        }
        assert_eq!(FaultConfig::default().rates().len(), Fault::ALL.len());
    }
}
