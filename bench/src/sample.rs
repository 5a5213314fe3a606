//! Several measurements of one thing.

use std::time::Duration;

/// Measurements in the order of their size.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample(Vec<f64>);

impl Sample {
    /// The sample of these values.
    pub fn new(values: impl IntoIterator<Item = f64>) -> Sample {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        Sample(values)
    }

    /// The sample of these times, in milliseconds.
    pub fn milliseconds<'a>(times: impl IntoIterator<Item = &'a Duration>) -> Sample {
        Sample::new(times.into_iter().map(|time| time.as_secs_f64() * 1e3))
    }

    /// Number of measurements.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The smallest value below which `percent` of the measurements lie (nearest rank); NaN
    /// when there is none.
    pub fn percentile(&self, percent: f64) -> f64 {
        let rank = (percent / 100.0 * self.0.len() as f64).ceil() as usize;
        let index = rank.saturating_sub(1);
        self.0.get(index).copied().unwrap_or(f64::NAN)
    }

    /// The middle one.
    pub fn median(&self) -> f64 {
        self.percentile(50.0)
    }

    /// The smallest and the largest.
    pub fn range(&self) -> (f64, f64) {
        (self.percentile(0.0), self.percentile(100.0))
    }

    /// The largest.
    pub fn max(&self) -> f64 {
        self.range().1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_measurements() {
        let hundred = Sample::new((1..=100).rev().map(f64::from));
        for (percent, expected) in [(0.0, 1.0), (50.0, 50.0), (99.0, 99.0), (100.0, 100.0)] {
            assert_eq!(hundred.percentile(percent), expected);
        }
        let three = Sample::new([3.0, 1.0, 2.0]);
        assert_eq!((three.median(), three.range()), (2.0, (1.0, 3.0)));
        assert_eq!((three.max(), three.len()), (3.0, 3));
        assert!(Sample::new([]).median().is_nan());
    }

    #[test]
    fn times_are_in_milliseconds() {
        let sample = Sample::milliseconds(&[Duration::from_micros(1_500)]);
        assert_eq!(sample.median(), 1.5);
    }
}
