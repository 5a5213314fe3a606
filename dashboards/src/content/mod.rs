//! The files of the dashboards: what they say, and whether it fits together. Nothing here knows a server.
//!
//! - [`question`]: one SQL file with a header (`front_matter`), and its [`tags`].
//! - [`dashboard`]: one layout.
//! - [`library`]: all of them.

pub mod error;
pub(crate) mod front_matter;
pub mod tags;

pub mod dashboard;
pub mod library;
pub mod question;

pub use dashboard::{Card, Click, Dashboard, Filter};
pub use error::{Mistake, Mistakes};
pub use library::Library;
pub use question::{Parameter, ParameterKind, Question};
