//! The journal as a stream: what has happened, and if asked also what will.

use std::future::ready;

use futures_util::stream::{self, BoxStream, StreamExt};
use outrider_proto::v1;
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio_stream::wrappers::BroadcastStream;
use tonic::Status;

use crate::journal::{Event, Journal};

/// Events of the past where no limit is said.
const PAST_DEFAULT: usize = 1_000;

/// Events as they are sent.
pub type Events = BoxStream<'static, Result<v1::MeshEvent, Status>>;

/// The events that are asked for; a stream that follows ends when `stopping` says true. A reader
/// that is too slow misses some: the numbers show it.
pub async fn events(
    journal: &Journal,
    mut stopping: watch::Receiver<bool>,
    request: v1::EventsRequest,
) -> Result<Events, Status> {
    // Before the past is read, so that nothing falls between.
    let coming = journal.follow();
    let past = past(journal, request.limit).await?;
    let last = past.last().map_or(0, |event| event.number);
    let past = stream::iter(past.into_iter().map(|event| Ok(wire(event))));
    if !request.follow {
        return Ok(past.boxed());
    }
    let coming = BroadcastStream::new(coming)
        .filter_map(move |event| ready(event.ok().filter(|event| event.number > last)))
        .map(|event| Ok(wire(event)));
    let stopped = async move {
        // Fails when the process is gone: then it stops all the more.
        let _ = stopping.wait_for(|stops| *stops).await;
    };
    Ok(past.chain(coming).take_until(stopped).boxed())
}

async fn past(journal: &Journal, limit: u32) -> Result<Vec<Event>, Status> {
    let limit = match limit {
        0 => PAST_DEFAULT,
        limit => limit as usize,
    };
    let journal = journal.clone();
    let recent = spawn_blocking(move || journal.recent(limit)).await;
    let recent = recent.map_err(|_| Status::unavailable("the process stops"))?;
    recent.map_err(|error| Status::internal(error.to_string()))
}

fn wire(event: Event) -> v1::MeshEvent {
    let Event {
        number,
        time_unix_ms,
        kind,
        subject,
        detail,
    } = event;
    v1::MeshEvent {
        number,
        time_unix_ms,
        kind: kind.word().to_owned(),
        subject,
        detail,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::EventKind;
    use crate::store::Store;

    async fn numbers(events: &mut Events, count: usize) -> Vec<u64> {
        let events = events.take(count).collect::<Vec<_>>().await;
        let numbers = events.into_iter().map(|event| event.map(|e| e.number));
        numbers.collect::<Result<_, _>>().expect("no status")
    }

    fn asked(follow: bool, limit: u32) -> v1::EventsRequest {
        v1::EventsRequest { follow, limit }
    }

    #[tokio::test]
    async fn a_stream_that_follows_has_every_event_once_and_ends_with_the_process() {
        let data = tempfile::tempdir().expect("a temporary folder");
        let store = Store::open(data.path()).expect("a store");
        let journal = Journal::open(&store).expect("a journal");
        let (stop, stopping) = watch::channel(false);
        let mut written = journal.follow();
        for _ in 0..3 {
            journal.record(EventKind::Joined, "orders", "It joined.");
            written.recv().await.expect("it is written");
        }
        let past = events(&journal, stopping.clone(), asked(false, 2)).await;
        assert_eq!(numbers(&mut past.expect("readable"), 9).await, [2, 3]);
        let all = events(&journal, stopping, asked(true, 0)).await;
        journal.record(EventKind::Left, "orders", "It left.");
        let mut all = all.expect("readable");
        assert_eq!(numbers(&mut all, 4).await, [1, 2, 3, 4]);
        stop.send_replace(true);
        assert!(all.next().await.is_none());
    }
}
