//! `outrider events`: what happened in the mesh, and what happens.

use std::io::{self, Write};

use clap::value_parser;
use outrider_proto::v1;

use crate::failure::Failure;
use crate::{operator, table};

/// Which events.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    operator: operator::Access,
    /// Go on with what happens from now on, until interrupted.
    #[arg(long)]
    follow: bool,
    /// At most so many of the past.
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = value_parser!(u32).range(1..))]
    limit: u32,
}

/// A line for each event, oldest first.
pub fn run(args: &Args) -> Result<(), Failure> {
    let request = v1::EventsRequest {
        follow: args.follow,
        limit: args.limit,
    };
    operator::run(&args.operator, async |mut client| {
        let mut events = client.events(request).await?.into_inner();
        while let Some(event) = events.message().await? {
            // Whoever reads has gone, as `head` does: there is nobody to tell more.
            if writeln!(io::stdout(), "{}", line(&event)).is_err() {
                break;
            }
        }
        Ok(())
    })
}

fn line(event: &v1::MeshEvent) -> String {
    let v1::MeshEvent {
        number,
        time_unix_ms,
        kind,
        subject,
        detail,
    } = event;
    let time = table::time(time_unix_ms.div_euclid(1_000));
    format!("{number:>6} {time} {kind:<8} {subject}: {detail}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_a_line() {
        let event = v1::MeshEvent {
            number: 12,
            time_unix_ms: 1_999,
            kind: "joined".to_owned(),
            subject: "default/orders".to_owned(),
            detail: "It joined.".to_owned(),
        };
        let expected = "    12 1970-01-01T00:00:01Z joined   default/orders: It joined.";
        assert_eq!(line(&event), expected);
    }
}
