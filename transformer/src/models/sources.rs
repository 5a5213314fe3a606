//! The tables that no model makes.

/// A table that the program puts before the models.
#[derive(Debug, Clone, Copy)]
pub struct Source {
    /// The name by which SQL reads it.
    pub name: &'static str,
    /// What it is made of, for the lineage.
    pub origin: &'static str,
    /// Whether it is for views that readers run, or else for the private database.
    pub for_readers: bool,
}

/// Every such table but the seeds, which are known by their files.
pub const SOURCES: [Source; 2] = [
    // The data files of the window, and the rows in them that were sent more than once.
    Source {
        name: "lake.flight_states",
        origin: "aviation.flight_states",
        for_readers: true,
    },
    Source {
        name: "lake.repeated_states",
        origin: "aviation.flight_states",
        for_readers: true,
    },
];
