//! `outrider demo`: its command line, converted to the demo's options.

use std::time::Duration;

use clap::ValueEnum;
use outrider_demo::{Format, Options};
use tonic::transport::Uri;

use crate::failure::Failure;

/// How long, and what to print at the end.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Length of all scenes together, 6 to 3600 seconds.
    #[arg(long = "for", value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u32).range(6..=3600))]
    seconds: u32,
    /// Print one JSON object instead of text.
    #[arg(long, value_enum)]
    report: Option<Report>,
    /// Collector that takes the spans of every call by OTLP/gRPC, http://HOST:PORT.
    #[arg(long, env = "OUTRIDER_OTLP", value_name = "URL")]
    otlp: Option<Uri>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Report {
    /// One object.
    Json,
}

/// Runs the demo. Fails if a promise was broken that the demo is there to show.
pub fn run(args: Args) -> Result<(), Failure> {
    let options = Options {
        length: Duration::from_secs(args.seconds.into()),
        format: match args.report {
            Some(Report::Json) => Format::Json,
            None => Format::Text,
        },
        collector: args.otlp,
    };
    outrider_demo::run(&options).map_err(|error| Failure::Runtime(error.to_string()))
}
