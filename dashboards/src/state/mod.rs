//! What Metabase is to have, and how that is compared with what it has.
//!
//! - [`mark`]: the line that says what belongs to which file.
//! - [`settings`]: visualization settings, from the files' form to Metabase's and back.
//! - [`wanted`]: a file as the body of a request.
//! - [`seen`]: a body reduced to what a file can say, whichever way Metabase wrote it.

pub mod mark;
pub mod seen;
pub mod settings;
pub mod wanted;

pub use mark::{Found, Key, Kind, Mark, digest};
