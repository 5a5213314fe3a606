//! The great circles between every two airports, computed once and shared by all flights.

use std::collections::HashMap;

use crate::aircraft::place;
use crate::airports::AIRPORTS;
use crate::geo::GreatCircle;

/// All routes between the airports.
#[derive(Debug, Clone)]
pub(crate) struct Routes {
    /// By `from * airports + to`.
    paths: Vec<GreatCircle>,
    by_country: HashMap<&'static str, Vec<u16>>,
}

impl Routes {
    pub(crate) fn new() -> Self {
        let airports = 0..AIRPORTS.len() as u16;
        let mut by_country: HashMap<_, Vec<u16>> = HashMap::new();
        for airport in airports.clone() {
            let country = AIRPORTS[usize::from(airport)].country;
            by_country.entry(country).or_default().push(airport);
        }
        let paths = airports
            .clone()
            .flat_map(|from| airports.clone().map(move |to| (from, to)))
            .map(|(from, to)| GreatCircle::between(place(from), place(to)))
            .collect();
        Self { paths, by_country }
    }

    /// The path from one airport to another.
    pub(crate) fn between(&self, from: u16, to: u16) -> &GreatCircle {
        &self.paths[usize::from(from) * AIRPORTS.len() + usize::from(to)]
    }

    /// The airports of a country.
    pub(crate) fn of_country(&self, country: &str) -> &[u16] {
        self.by_country.get(country).map_or(&[], Vec::as_slice)
    }

    /// The airports between two distances in kilometres from another.
    pub(crate) fn within(&self, from: u16, range: (f64, f64)) -> Vec<u16> {
        (0..AIRPORTS.len() as u16)
            .filter(|&to| {
                let kilometres = self.between(from, to).length() / 1_000.0;
                range.0 <= kilometres && kilometres <= range.1
            })
            .collect()
    }
}
