//! `outrider events`: what happened in the mesh, and what happens.

use std::io::{self, Write};

use clap::value_parser;
use outrider_proto::v1;
use outrider_proto::v1::operator_client::OperatorClient;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tonic::Status;
use tonic::transport::Channel;

use crate::failure::Failure;
use crate::{apply, document_files, operator, table};

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
    /// Only events of this kind; may be given several times. joined: a sidecar got its first
    /// certificate; refused: it did not; registered: an instance takes calls; left: it takes none any
    /// more; ejected, returned: a sidecar sends an endpoint nothing for a while, and sends calls again;
    /// applied, rejected: documents; renewed: a certificate; rotated: the root; token: made or revoked;
    /// store: it takes no writes, or takes them again.
    #[arg(long, value_name = "KIND", value_delimiter = ',')]
    kind: Vec<String>,
    /// Only events whose subject is this service, as NAME or NAMESPACE/NAME, or a document of that name;
    /// may be given several times. What a sentence mentions besides is not compared.
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    service: Vec<String>,
    /// Only what happened since: 90s, 15m, 2h or 7d ago, or a time such as 2026-11-30T12:00:00Z.
    #[arg(long, value_name = "AGE|TIME", value_parser = since)]
    since: Option<Since>,
    /// Also the name of each document that a version changed.
    #[arg(long)]
    verbose: bool,
}

/// From when on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Since {
    /// Milliseconds before now.
    Ago(u64),
    /// Milliseconds since 1970-01-01 UTC.
    Moment(i64),
}

fn since(text: &str) -> Result<Since, String> {
    let moment = OffsetDateTime::parse(text, &Rfc3339).ok();
    let moment = moment.map(|moment| Since::Moment(moment.unix_timestamp() * 1_000));
    moment
        .or_else(|| age_ms(text).map(Since::Ago))
        .ok_or_else(|| "write 90s, 15m, 2h or 7d, or 2026-11-30T12:00:00Z".to_owned())
}

fn age_ms(text: &str) -> Option<u64> {
    let unit_ms = match text.chars().last()? {
        's' => 1_000,
        'm' => 60_000,
        'h' => 3_600_000,
        'd' => 86_400_000,
        _ => return None,
    };
    let count: u64 = text[..text.len() - 1].parse().ok()?;
    count.checked_mul(unit_ms).filter(|age| *age > 0)
}

/// A line for each event, oldest first.
pub fn run(args: &Args) -> Result<(), Failure> {
    operator::run(&args.operator, async |client| {
        let mut client = document_files::roomy(client);
        let mut events = client.events(request(args)).await?.into_inner();
        while let Some(event) = events.message().await? {
            let names = match version(&event).filter(|_| args.verbose) {
                Some(version) => names(&mut client, version).await?,
                None => String::new(),
            };
            // The reader has gone, as `head` does: more would not be read.
            if write!(io::stdout(), "{}\n{names}", line(&event)).is_err() {
                break;
            }
        }
        Ok(())
    })
}

fn request(args: &Args) -> v1::EventsRequest {
    let (since_unix_ms, last_ms) = match args.since {
        Some(Since::Moment(moment)) => (moment, 0),
        Some(Since::Ago(age)) => (0, age),
        None => (0, 0),
    };
    v1::EventsRequest {
        follow: args.follow,
        limit: args.limit,
        kinds: args.kind.clone(),
        services: args.service.clone(),
        since_unix_ms,
        last_ms,
    }
}

/// The version that an event is about.
fn version(event: &v1::MeshEvent) -> Option<u64> {
    event.subject.strip_prefix("version ")?.parse().ok()
}

/// A line for each document that `version` changed.
async fn names(client: &mut OperatorClient<Channel>, version: u64) -> Result<String, Status> {
    let request = v1::DiffRequest {
        from_version: version.saturating_sub(1),
        to_version: version,
    };
    let changes = client.diff(request).await?.into_inner().changes;
    Ok(apply::lines(&changes, "         ", ""))
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
    format!("{number:>6} {time} {kind:<10} {subject}: {detail}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn since_is_an_age_or_a_time() {
        let cases = [
            ("90s", Some(Since::Ago(90_000))),
            ("15m", Some(Since::Ago(900_000))),
            ("2h", Some(Since::Ago(7_200_000))),
            ("7d", Some(Since::Ago(604_800_000))),
            ("1970-01-01T00:00:07Z", Some(Since::Moment(7_000))),
            ("0s", None),
            ("10", None),
            ("ö", None),
            ("", None),
            ("99999999999999999999d", None),
        ];
        for (text, expected) in cases {
            assert_eq!(since(text).ok(), expected, "{text}");
        }
    }

    #[test]
    fn an_event_is_a_line() {
        let event = v1::MeshEvent {
            number: 12,
            time_unix_ms: 1_999,
            kind: "joined".to_owned(),
            subject: "default/orders".to_owned(),
            detail: "It joined.".to_owned(),
        };
        let expected = "    12 1970-01-01T00:00:01Z joined     default/orders: It joined.";
        assert_eq!(line(&event), expected);
    }
}
