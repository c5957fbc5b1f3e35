//! The operator's documents: parse, validate, render to xDS resources.
//!
//! Text in, resources out. [`load`] checks a whole set of files and reports every
//! error with file, line and column; [`render`] turns valid documents
//! into the resources that a sidecar accepts, whether it reads the documents itself
//! or gets them from a control plane, which adds the registered services ([`render_with`]). Knows no I/O,
//! no sidecar and no control plane.
//! The reference for operators is `docs/CONFIG.md`.

mod check;
#[cfg(test)]
mod config_page;
mod duration;
mod error;
mod explain;
mod kind;
mod load;
mod model;
mod names;
mod registered;
mod render;
mod split;
mod stream;
mod wire;
mod yaml;

pub use error::{DocumentError, Warning};
pub use explain::{Explanation, LocatedDocuments};
pub use kind::Kind;
pub use load::{load, warnings};
pub use model::Documents;
pub use names::is_host_name;
pub use registered::{Contested, Registered, RegisteredService, changed_services};
pub use render::{render, render_service, render_with};
pub use split::{DocumentName, Written, is_empty, join, split};
