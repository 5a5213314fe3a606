//! Where aircraft are registered: the blocks of 24-bit addresses that ICAO allocates to
//! states (Annex 10, Volume III, Chapter 9), from which OpenSky derives `origin_country`.

/// A state of registry and the traffic it contributes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Registry {
    /// The country, spelled as OpenSky spells it.
    pub country: &'static str,
    /// First 24-bit address of the block.
    pub first: u32,
    /// Addresses in the block; always a power of two.
    pub size: u32,
    /// How much of the fleet is registered here, relative to the others: about the number
    /// of aircraft in the air on a spring evening.
    pub weight: u32,
    /// Nationality mark: how the call signs of aircraft without an airline begin.
    pub mark: &'static str,
    /// ICAO designators of airlines with aircraft on this registry.
    pub airlines: &'static [&'static str],
}

const fn registry(
    country: &'static str,
    first: u32,
    size: u32,
    weight: u32,
    mark: &'static str,
    airlines: &'static [&'static str],
) -> Registry {
    Registry {
        country,
        first,
        size,
        weight,
        mark,
        airlines,
    }
}

/// Every registry, in a fixed order: the fleet depends on it.
#[rustfmt::skip]
pub const REGISTRIES: &[Registry] = &[
    registry("United States", 0xa00000, 0x100000, 5280, "N", &["AAL", "DAL", "UAL", "SWA", "JBU", "ASA", "NKS", "FFT", "SKW", "RPA", "ENY", "EDV", "FDX", "UPS", "EJA"]),
    registry("Canada", 0xc00000, 0x40000, 374, "C", &["ACA", "WJA", "JZA", "POE", "TSC"]),
    registry("Mexico", 0x0d0000, 0x8000, 90, "XA", &["AMX", "VOI", "VIV"]),
    registry("Panama", 0x0c2000, 0x1000, 12, "HP", &["CMP"]),
    registry("Colombia", 0x0ac000, 0x1000, 20, "HK", &["AVA"]),
    registry("Ecuador", 0xe84000, 0x1000, 5, "HC", &["LNE"]),
    registry("Peru", 0xe8c000, 0x1000, 10, "OB", &["LPE"]),
    registry("Chile", 0xe80000, 0x1000, 24, "CC", &["LAN", "SKU"]),
    registry("Argentina", 0xe00000, 0x40000, 28, "LV", &["ARG", "FBZ"]),
    registry("Brazil", 0xe40000, 0x40000, 110, "PR", &["TAM", "GLO", "AZU"]),
    registry("United Kingdom", 0x400000, 0x40000, 294, "G", &["BAW", "EZY", "VIR", "EXS", "LOG", "TOM"]),
    registry("Ireland", 0x4ca000, 0x1000, 224, "EI", &["RYR", "EIN", "STK"]),
    registry("Iceland", 0x4cc000, 0x1000, 12, "TF", &["ICE"]),
    registry("France", 0x380000, 0x40000, 120, "F", &["AFR", "TVF", "HOP"]),
    registry("Germany", 0x3c0000, 0x40000, 191, "D", &["DLH", "EWG", "CFG", "CLH", "BCS"]),
    registry("Switzerland", 0x4b0000, 0x8000, 62, "HB", &["SWR", "EDW", "EZS"]),
    registry("Austria", 0x440000, 0x8000, 100, "OE", &["AUA", "EJU", "LDM"]),
    registry("Belgium", 0x448000, 0x8000, 28, "OO", &["BEL", "JAF"]),
    registry("Luxembourg", 0x4d0000, 0x400, 14, "LX", &["LGL", "CLX"]),
    registry("Kingdom of the Netherlands", 0x480000, 0x8000, 85, "PH", &["KLM", "TRA"]),
    registry("Denmark", 0x458000, 0x8000, 20, "OY", &["SAS", "DTR"]),
    registry("Norway", 0x478000, 0x8000, 40, "LN", &["NOZ", "WIF"]),
    registry("Sweden", 0x4a8000, 0x8000, 50, "SE", &["SAS", "BRA"]),
    registry("Finland", 0x460000, 0x8000, 18, "OH", &["FIN"]),
    registry("Estonia", 0x511000, 0x400, 10, "ES", &["MBU"]),
    registry("Latvia", 0x502c00, 0x400, 15, "YL", &["BTI"]),
    registry("Lithuania", 0x503c00, 0x400, 10, "LY", &["LLC"]),
    registry("Poland", 0x488000, 0x8000, 62, "SP", &["LOT", "ENT"]),
    registry("Czech Republic", 0x498000, 0x8000, 16, "OK", &["TVS"]),
    registry("Hungary", 0x470000, 0x8000, 60, "HA", &["WZZ"]),
    registry("Romania", 0x4a0000, 0x8000, 14, "YR", &["ROT"]),
    registry("Bulgaria", 0x450000, 0x8000, 10, "LZ", &["LZB"]),
    registry("Serbia", 0x4c0000, 0x8000, 8, "YU", &["ASL"]),
    registry("Croatia", 0x501c00, 0x400, 6, "9A", &["CTN"]),
    registry("Greece", 0x468000, 0x8000, 20, "SX", &["AEE"]),
    registry("Cyprus", 0x4c8000, 0x400, 3, "5B", &["CYP"]),
    registry("Malta", 0x4d2000, 0x400, 135, "9H", &["RYR", "KMM", "VJT"]),
    registry("Italy", 0x300000, 0x40000, 30, "I", &["ITY", "NOS"]),
    registry("Spain", 0x340000, 0x40000, 120, "EC", &["IBE", "VLG", "AEA", "ANE", "VOE", "IBS"]),
    registry("Portugal", 0x490000, 0x8000, 45, "CS", &["TAP", "NJE"]),
    registry("Turkey", 0x4b8000, 0x8000, 197, "TC", &["THY", "PGT", "SXS"]),
    registry("Russian Federation", 0x100000, 0x100000, 60, "RA", &["AFL", "SBI", "SDM"]),
    registry("Morocco", 0x020000, 0x8000, 16, "CN", &["RAM"]),
    registry("Algeria", 0x0a0000, 0x8000, 13, "7T", &["DAH"]),
    registry("Tunisia", 0x028000, 0x8000, 6, "TS", &["TAR"]),
    registry("Libyan Arab Jamahiriya", 0x018000, 0x8000, 4, "5A", &["LAA"]),
    registry("Egypt", 0x010000, 0x8000, 24, "SU", &["MSR"]),
    registry("Ethiopia", 0x040000, 0x1000, 20, "ET", &["ETH"]),
    registry("Kenya", 0x04c000, 0x1000, 10, "5Y", &["KQA"]),
    registry("Nigeria", 0x064000, 0x1000, 6, "5N", &["APK"]),
    registry("South Africa", 0x008000, 0x8000, 20, "ZS", &["SAA", "LNK"]),
    registry("Israel", 0x738000, 0x8000, 16, "4X", &["ELY", "ISR"]),
    registry("Jordan", 0x740000, 0x8000, 8, "JY", &["RJA"]),
    registry("Saudi Arabia", 0x710000, 0x8000, 60, "HZ", &["SVA", "FAD", "KNE"]),
    registry("United Arab Emirates", 0x896000, 0x1000, 128, "A6", &["UAE", "ETD", "FDB", "ABY"]),
    registry("Qatar", 0x06a000, 0x400, 60, "A7", &["QTR"]),
    registry("Kuwait", 0x706000, 0x1000, 14, "9K", &["KAC", "JZR"]),
    registry("Bahrain", 0x894000, 0x1000, 10, "A9C", &["GFA"]),
    registry("Oman", 0x70c000, 0x400, 12, "A4O", &["OMA"]),
    registry("Islamic Republic of Iran", 0x730000, 0x8000, 14, "EP", &["IRA"]),
    registry("Pakistan", 0x760000, 0x8000, 12, "AP", &["PIA"]),
    registry("India", 0x800000, 0x40000, 150, "VT", &["IGO", "AIC", "SEJ", "AXB"]),
    registry("Nepal", 0x70a000, 0x1000, 4, "9N", &["RNA"]),
    registry("Bangladesh", 0x702000, 0x1000, 6, "S2", &["BBC"]),
    registry("Sri Lanka", 0x770000, 0x8000, 8, "4R", &["ALK"]),
    registry("Thailand", 0x880000, 0x8000, 50, "HS", &["THA", "AIQ"]),
    registry("Malaysia", 0x750000, 0x8000, 40, "9M", &["MAS", "AXM"]),
    registry("Singapore", 0x768000, 0x8000, 45, "9V", &["SIA", "TGW"]),
    registry("Indonesia", 0x8a0000, 0x8000, 40, "PK", &["GIA", "LNI"]),
    registry("Philippines", 0x758000, 0x8000, 36, "RP", &["PAL", "CEB"]),
    registry("Viet Nam", 0x888000, 0x8000, 40, "VN", &["HVN", "VJC"]),
    registry("China", 0x780000, 0x40000, 320, "B", &["CCA", "CES", "CSN", "CPA", "CHH"]),
    registry("Taiwan", 0x899000, 0x400, 24, "B", &["CAL", "EVA"]),
    registry("Republic of Korea", 0x718000, 0x8000, 70, "HL", &["KAL", "AAR", "JJA"]),
    registry("Japan", 0x840000, 0x40000, 120, "JA", &["ANA", "JAL", "APJ"]),
    registry("Uzbekistan", 0x507c00, 0x400, 6, "UK", &["UZB"]),
    registry("Australia", 0x7c0000, 0x40000, 124, "VH", &["QFA", "VOZ", "JST"]),
    registry("New Zealand", 0xc80000, 0x8000, 41, "ZK", &["ANZ"]),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::airports::AIRPORTS;

    #[test]
    fn blocks_are_disjoint_powers_of_two() {
        let mut blocks: Vec<_> = REGISTRIES.iter().collect();
        blocks.sort_by_key(|registry| registry.first);
        for pair in blocks.windows(2) {
            assert!(
                pair[0].first + pair[0].size <= pair[1].first,
                "{} overlaps {}",
                pair[0].country,
                pair[1].country
            );
        }
        for registry in blocks {
            assert!(registry.size.is_power_of_two(), "{}", registry.country);
            assert!(!registry.airlines.is_empty(), "{}", registry.country);
        }
    }

    #[test]
    fn every_registry_has_an_airport_and_every_airport_a_registry() {
        for registry in REGISTRIES {
            assert!(
                AIRPORTS.iter().any(|a| a.country == registry.country),
                "no airport in {}",
                registry.country
            );
        }
        for airport in AIRPORTS {
            assert!(
                REGISTRIES.iter().any(|r| r.country == airport.country),
                "no registry for {}",
                airport.country
            );
        }
    }
}
