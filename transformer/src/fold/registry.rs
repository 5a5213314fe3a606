//! The numbers of aircraft, countries and callsigns, shared by the workers of a batch.
//!
//! A worker asks once for each entry of a dictionary, so the locks are rarely met.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use ahash::RandomState;

use super::names::{NULL, Names};

/// The first number of aircraft whose address is not six lower-case hexadecimal digits.
const FIRST_OTHER: u32 = 1 << 24;

/// Region of rows without a country, and of countries without a region.
pub(crate) const OTHER_REGION: &str = "Other";

/// Bits of [`Country`]: its number, its region's place, and whether no seed knows it.
const COUNTRY_NUMBER: u32 = (1 << 24) - 1;
const REGION_SHIFT: u32 = 24;
const REGIONS_AT_MOST: usize = 64;
const UNMAPPED: u32 = 1 << 31;

/// Bit of a [`Callsign`] that is not of the form callsigns have.
const MALFORMED: u32 = 1 << 31;

/// A country with what rows need to know of it, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Country(pub u32);

impl Country {
    /// Its number, from 1; 0 for none.
    pub fn number(self) -> u32 {
        self.0 & COUNTRY_NUMBER
    }

    /// The place of its region in [`Registry::regions`].
    #[inline]
    pub fn region(self) -> usize {
        ((self.0 >> REGION_SHIFT) & 0x3f) as usize
    }

    #[inline]
    pub fn is_null(self) -> bool {
        self.0 == NULL
    }

    #[inline]
    pub fn is_unmapped(self) -> bool {
        self.0 & UNMAPPED != 0
    }
}

/// A callsign's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Callsign(pub u32);

impl Callsign {
    #[inline]
    pub fn is_malformed(self) -> bool {
        self.0 & MALFORMED != 0
    }
}

/// What was numbered before and what the batch brings.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    regions: Vec<String>,
    /// Region of each country that the seed knows.
    seed: HashMap<String, usize>,
    shared: Mutex<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    others: Numbered,
    countries: Numbered,
    callsigns: Names,
}

/// Names with numbers that outlive the batch.
#[derive(Debug, Default)]
struct Numbered {
    numbers: HashMap<String, u32, RandomState>,
    /// Those that the batch brought, in the order of their numbers.
    new: Vec<String>,
}

impl Numbered {
    fn number(&mut self, name: &str, first: u32) -> u32 {
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        let count = u32::try_from(self.numbers.len()).unwrap_or(u32::MAX);
        let number = first.saturating_add(count);
        self.numbers.insert(name.to_owned(), number);
        self.new.push(name.to_owned());
        number
    }
}

impl Registry {
    /// `seed` has (country, region); `countries` and `others` what has numbers, without gaps.
    pub fn new(
        seed: impl IntoIterator<Item = (String, String)>,
        countries: impl IntoIterator<Item = (String, u32)>,
        others: impl IntoIterator<Item = (String, u32)>,
    ) -> Registry {
        let mut regions = vec![OTHER_REGION.to_owned()];
        let mut by_country = HashMap::new();
        for (country, region) in seed {
            let place = regions.iter().position(|known| *known == region);
            let place = match place {
                Some(place) => place,
                None if regions.len() < REGIONS_AT_MOST => {
                    regions.push(region);
                    regions.len() - 1
                }
                None => 0,
            };
            by_country.insert(country, place);
        }
        let numbered = |names: Vec<(String, u32)>| Numbered {
            numbers: names.into_iter().collect(),
            new: Vec::new(),
        };
        Registry {
            regions,
            seed: by_country,
            shared: Mutex::new(Shared {
                others: numbered(others.into_iter().collect()),
                countries: numbered(countries.into_iter().collect()),
                callsigns: Names::default(),
            }),
        }
    }

    /// The names of the regions, in the order of their places.
    pub fn regions(&self) -> &[String] {
        &self.regions
    }

    /// The number of an aircraft: what its address says, or one of those that are given out.
    pub fn aircraft(&self, icao24: &str) -> u32 {
        match address(icao24.as_bytes()) {
            Some(number) => number,
            None => self.with(|shared| shared.others.number(icao24, FIRST_OTHER)),
        }
    }

    pub(super) fn country(&self, name: &str) -> Country {
        let number = self
            .with(|shared| shared.countries.number(name, 1))
            .min(COUNTRY_NUMBER);
        let region = self.seed.get(name);
        let place = u32::try_from(region.copied().unwrap_or(0)).unwrap_or(0);
        let unmapped = if region.is_none() { UNMAPPED } else { 0 };
        Country(number | (place << REGION_SHIFT) | unmapped)
    }

    pub(super) fn callsign(&self, text: &str) -> Callsign {
        let number = self.with(|shared| shared.callsigns.number(text));
        Callsign(number | if well_formed(text) { 0 } else { MALFORMED })
    }

    /// Addresses that the batch was the first to bring, and their numbers.
    pub fn new_others(&self) -> Vec<(String, u32)> {
        self.with(|shared| shared.others.brought())
    }

    /// Countries that the batch was the first to bring, and their numbers.
    pub fn new_countries(&self) -> Vec<(String, u32)> {
        self.with(|shared| shared.countries.brought())
    }

    /// How many countries there are.
    pub fn countries(&self) -> usize {
        self.with(|shared| shared.countries.numbers.len())
    }

    /// Addresses, countries and callsigns by their numbers.
    pub(crate) fn texts<T>(&self, read: impl FnOnce(&Texts<'_>) -> T) -> T {
        self.with(|shared| {
            let mut countries = vec![""; shared.countries.numbers.len() + 1];
            for (name, number) in &shared.countries.numbers {
                if let Some(place) = countries.get_mut(*number as usize) {
                    *place = name;
                }
            }
            let others = shared.others.numbers.iter();
            read(&Texts {
                others: others
                    .map(|(name, number)| (*number, name.as_str()))
                    .collect(),
                countries,
                callsigns: &shared.callsigns,
            })
        })
    }

    fn with<T>(&self, work: impl FnOnce(&mut Shared) -> T) -> T {
        work(&mut self.shared.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Numbered {
    fn brought(&self) -> Vec<(String, u32)> {
        let number = |name: &String| Some((name.clone(), *self.numbers.get(name)?));
        self.new.iter().filter_map(number).collect()
    }
}

/// From numbers back to texts.
pub(crate) struct Texts<'a> {
    others: HashMap<u32, &'a str>,
    countries: Vec<&'a str>,
    callsigns: &'a Names,
}

impl Texts<'_> {
    pub fn icao24(&self, aircraft: u32) -> String {
        match self.others.get(&aircraft) {
            Some(name) => (*name).to_owned(),
            None => format!("{aircraft:06x}"),
        }
    }

    pub(super) fn country(&self, country: Country) -> Option<&str> {
        self.country_of(country.number())
    }

    /// The country of a number; none of 0.
    pub fn country_of(&self, number: u32) -> Option<&str> {
        let name = || self.countries.get(number as usize).copied();
        (number > 0).then(name).flatten()
    }

    pub(super) fn callsign(&self, callsign: Callsign) -> Option<&str> {
        self.callsigns.name(callsign.0 & !MALFORMED)
    }
}

/// The number of an address of six lower-case hexadecimal digits.
fn address(text: &[u8]) -> Option<u32> {
    if text.len() != 6 {
        return None;
    }
    text.iter().try_fold(0, |number, digit| {
        let value = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(number << 4 | u32::from(value))
    })
}

/// One to eight capital letters and digits.
fn well_formed(callsign: &str) -> bool {
    (1..=8).contains(&callsign.len())
        && callsign
            .bytes()
            .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registry() -> Registry {
        let pair = |name: &str, region: &str| (name.to_owned(), region.to_owned());
        Registry::new(
            [
                pair("Germany", "EU"),
                pair("Brazil", "Other"),
                pair("", "Other"),
            ],
            [("Germany".to_owned(), 1)],
            [("ABC123".to_owned(), FIRST_OTHER)],
        )
    }

    #[test]
    fn an_address_is_its_number_and_anything_else_is_given_one() {
        let registry = registry();
        let cases = [
            ("000000", 0),
            ("3c6444", 0x3c_6444),
            ("ffffff", 0xff_ffff),
            ("ABC123", FIRST_OTHER),
            ("3C6444", FIRST_OTHER + 1),
            ("12345", FIRST_OTHER + 2),
            ("", FIRST_OTHER + 3),
            ("3C6444", FIRST_OTHER + 1),
            ("~é~", FIRST_OTHER + 4),
        ];
        for (text, number) in cases {
            assert_eq!(registry.aircraft(text), number, "{text:?}");
            registry.texts(|texts| assert_eq!(texts.icao24(number), text));
        }
        assert_eq!(registry.new_others().len(), 4);
    }

    #[test]
    fn a_country_has_a_number_a_region_and_a_place_in_the_seed_or_not() {
        let registry = registry();
        let germany = registry.country("Germany");
        let atlantis = registry.country("Atlantis");
        let empty = registry.country("");
        assert_eq!(registry.regions()[germany.region()], "EU");
        assert_eq!(registry.regions()[atlantis.region()], "Other");
        assert_eq!([germany, atlantis, empty].map(Country::number), [1, 2, 3]);
        assert_eq!(
            [germany, atlantis, empty].map(Country::is_unmapped),
            [false, true, false]
        );
        assert!(!empty.is_null() && Country(NULL).is_null());
        registry.texts(|texts| {
            assert_eq!(texts.country(empty), Some(""));
            assert_eq!(texts.country(atlantis), Some("Atlantis"));
            assert_eq!(texts.country(Country(NULL)), None);
        });
        assert_eq!(
            registry.new_countries(),
            [("Atlantis".to_owned(), 2), (String::new(), 3)]
        );
    }

    #[test]
    fn a_callsign_is_of_the_form_or_not() {
        let registry = registry();
        let cases = [
            ("DLH123", true),
            ("A", true),
            ("ABCDEFGH", true),
            ("ABCDEFGHI", false),
            ("", false),
            ("dlh1", false),
            ("DLH 1", false),
            ("@@@@@@@@", false),
        ];
        for (text, good) in cases {
            let callsign = registry.callsign(text);
            assert_eq!(callsign.is_malformed(), !good, "{text:?}");
            registry.texts(|texts| assert_eq!(texts.callsign(callsign), Some(text)));
        }
    }
}
