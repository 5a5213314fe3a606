//! The query parameters of the API, checked.

use crate::config::TIMES;
use crate::flights::Wanted;
use crate::state::State;

const DAY: i64 = 86_400;

/// Query parameters as they come; some may be repeated.
pub(crate) type Pairs = Vec<(String, String)>;

/// A box of latitudes and longitudes in degrees.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct BoundingBox {
    pub(crate) south: f64,
    pub(crate) north: f64,
    pub(crate) west: f64,
    pub(crate) east: f64,
}

/// A request for states.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct StatesQuery {
    pub(crate) area: Option<BoundingBox>,
    /// Lower-case addresses; none means all.
    pub(crate) icao24: Vec<String>,
    /// Seconds since 1970.
    pub(crate) time: Option<i64>,
    pub(crate) extended: bool,
}

/// A request for flights.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct FlightsQuery {
    pub(crate) wanted: Wanted,
    /// Seconds since 1970.
    pub(crate) begin: i64,
    pub(crate) end: i64,
}

impl BoundingBox {
    pub(crate) fn square_degrees(&self) -> f64 {
        (self.north - self.south).max(0.0) * (self.east - self.west).max(0.0)
    }

    /// Whether a place is inside; a place that is not known is not.
    pub(crate) fn contains(&self, latitude: Option<f64>, longitude: Option<f64>) -> bool {
        latitude.is_some_and(|degrees| (self.south..=self.north).contains(&degrees))
            && longitude.is_some_and(|degrees| (self.west..=self.east).contains(&degrees))
    }
}

impl StatesQuery {
    /// Reads the parameters of `/api/states/all`; the error is for the caller.
    pub(crate) fn read(pairs: &Pairs) -> Result<Self, String> {
        let corner = |name: &str, limit: f64| match value(pairs, name) {
            None => Ok(None),
            Some(text) => match text.parse::<f64>() {
                Ok(degrees) if degrees.abs() <= limit => Ok(Some(degrees)),
                _ => Err(format!("{name} is not a number from -{limit} to {limit}")),
            },
        };
        let corners = (
            corner("lamin", 90.0)?,
            corner("lamax", 90.0)?,
            corner("lomin", 180.0)?,
            corner("lomax", 180.0)?,
        );
        let area = match corners {
            (Some(south), Some(north), Some(west), Some(east)) => Some(BoundingBox {
                south,
                north,
                west,
                east,
            }),
            (None, None, None, None) => None,
            _ => return Err("a box needs lamin, lamax, lomin and lomax".to_owned()),
        };
        Ok(Self {
            area,
            icao24: pairs
                .iter()
                .filter(|(name, _)| name == "icao24")
                .map(|(_, address)| address.to_lowercase())
                .collect(),
            // 0 means now.
            time: time(pairs, "time")?.filter(|&time| time != 0),
            extended: matches!(value(pairs, "extended"), Some("1" | "true")),
        })
    }

    /// Whether it asks for everything.
    pub(crate) fn is_global(&self) -> bool {
        self.area.is_none() && self.icao24.is_empty()
    }

    /// Whether a row is asked for.
    pub(crate) fn wants(&self, state: &State) -> bool {
        self.wants_row(&state.icao24, state.latitude, state.longitude)
    }

    /// Whether a row with these fields is asked for.
    pub(crate) fn wants_row(
        &self,
        icao24: &str,
        latitude: Option<f64>,
        longitude: Option<f64>,
    ) -> bool {
        self.area
            .is_none_or(|area| area.contains(latitude, longitude))
            && (self.icao24.is_empty() || self.icao24.iter().any(|wanted| wanted == icao24))
    }
}

impl FlightsQuery {
    /// Reads the parameters of `/api/flights/{kind}`; `None` for a kind there is not. The
    /// error is for the caller.
    pub(crate) fn read(kind: &str, pairs: &Pairs) -> Option<Result<Self, String>> {
        let needed = |name: &str| {
            value(pairs, name)
                .map(str::to_owned)
                .ok_or_else(|| format!("{name} is missing"))
        };
        let (wanted, longest, too_long) = match kind {
            "arrival" => (needed("airport").map(Wanted::Arrivals), 2 * DAY, "two days"),
            "departure" => (
                needed("airport").map(Wanted::Departures),
                2 * DAY,
                "two days",
            ),
            "aircraft" => (
                needed("icao24").map(|address| Wanted::Aircraft(address.to_lowercase())),
                2 * DAY,
                "two days",
            ),
            "all" => (Ok(Wanted::All), 2 * 3_600, "two hours"),
            _ => return None,
        };
        let read = || {
            let missing = |name| format!("{name} is missing");
            let begin = time(pairs, "begin")?.ok_or_else(|| missing("begin"))?;
            let end = time(pairs, "end")?.ok_or_else(|| missing("end"))?;
            if begin >= end {
                return Err("begin must be before end".to_owned());
            }
            if end - begin > longest {
                return Err(format!("the interval must be at most {too_long}"));
            }
            Ok(Self {
                wanted: wanted?,
                begin,
                end,
            })
        };
        Some(read())
    }
}

fn value<'a>(pairs: &'a Pairs, name: &str) -> Option<&'a str> {
    pairs
        .iter()
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.as_str())
}

fn time(pairs: &Pairs, name: &str) -> Result<Option<i64>, String> {
    match value(pairs, name).map(str::parse::<i64>) {
        None => Ok(None),
        Some(Ok(time)) if TIMES.contains(&time) => Ok(Some(time)),
        _ => Err(format!("{name} is not a time in seconds since 1970")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(query: &[(&str, &str)]) -> Pairs {
        query
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn states_are_asked_for_by_box_address_and_time() {
        let query = StatesQuery::read(&pairs(&[
            ("lamin", "45.8"),
            ("lomin", "5.9"),
            ("lamax", "47.8"),
            ("lomax", "10.5"),
            ("icao24", "3C6444"),
            ("icao24", "3e1bf9"),
            ("time", "1458564121"),
            ("extended", "1"),
        ]))
        .unwrap();
        assert_eq!(query.icao24, ["3c6444", "3e1bf9"]);
        assert_eq!(query.time, Some(1_458_564_121));
        assert!(query.extended && !query.is_global());
        assert!((query.area.unwrap().square_degrees() - 9.2).abs() < 1e-9);
        assert!(query.wants_row("3c6444", Some(46.0), Some(6.0)));
        assert!(!query.wants_row("3c6445", Some(46.0), Some(6.0)));
        assert!(!query.wants_row("3c6444", Some(46.0), Some(16.0)));
        assert!(!query.wants_row("3c6444", None, None));
        assert_eq!(StatesQuery::read(&pairs(&[])), Ok(StatesQuery::default()));
    }

    #[test]
    fn what_cannot_be_answered_is_refused() {
        for query in [
            &[("lamin", "45")][..],
            &[
                ("lamin", "x"),
                ("lamax", "1"),
                ("lomin", "1"),
                ("lomax", "1"),
            ],
            &[
                ("lamin", "91"),
                ("lamax", "1"),
                ("lomin", "1"),
                ("lomax", "1"),
            ],
            &[("time", "9223372036854775807")],
            &[("time", "now")],
        ] {
            assert!(StatesQuery::read(&pairs(query)).is_err(), "{query:?}");
        }
        for (kind, query) in [
            ("arrival", &[("begin", "10"), ("end", "20")][..]),
            ("arrival", &[("airport", "EDDF"), ("begin", "10")]),
            (
                "departure",
                &[("airport", "EDDF"), ("begin", "20"), ("end", "10")],
            ),
            (
                "departure",
                &[("airport", "EDDF"), ("begin", "0"), ("end", "172801")],
            ),
            ("all", &[("begin", "0"), ("end", "7201")]),
            ("aircraft", &[("begin", "0"), ("end", "7200")]),
        ] {
            let read = FlightsQuery::read(kind, &pairs(query)).unwrap();
            assert!(read.is_err(), "{kind} {query:?}");
        }
        assert_eq!(FlightsQuery::read("other", &pairs(&[])), None);
    }

    #[test]
    fn flights_are_asked_for_by_airport_and_interval() {
        let query = pairs(&[("airport", "EDDF"), ("begin", "0"), ("end", "172800")]);
        let expected = FlightsQuery {
            wanted: Wanted::Arrivals("EDDF".into()),
            begin: 0,
            end: 172_800,
        };
        assert_eq!(FlightsQuery::read("arrival", &query), Some(Ok(expected)));
    }
}
