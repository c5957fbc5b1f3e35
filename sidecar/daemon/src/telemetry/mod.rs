//! What the mesh did, for machines (metrics, spans) and people (access log).
//!
//! Everything here is a projection: of a call's one record, of the engines' gauges, of the control
//! side's state. Runs on the control thread and decides nothing about traffic. The only place that
//! moves a counter. Names, types, units and labels: `docs/METRICS.md`.

mod access_line;
mod access_log;
mod bounded_family;
mod gauges;
mod known_labels;
mod labels;
mod log_file;
mod log_sink;
mod metrics;
mod peers;
mod recorder;
mod series;
mod spans;

pub use access_log::AccessLogWriter;
pub use known_labels::KnownLabels;
pub use log_sink::{Lines, LogSink};
pub use metrics::Metrics;
pub use recorder::Recorder;
pub use spans::{Origin, Spans};
