//! The journal as a stream: past events, and on request also those to come.

use std::future::ready;

use futures_util::stream::{self, BoxStream, StreamExt};
use outrider_proto::v1;
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio_stream::wrappers::BroadcastStream;
use tonic::Status;

use crate::clock;
use crate::storage::journal::{Event, EventKind, Filter, Journal};

/// Past events listed by default.
const PAST_DEFAULT: usize = 1_000;

/// Events as they are sent.
pub type Events = BoxStream<'static, Result<v1::MeshEvent, Status>>;

/// The requested events; a stream that follows ends when `stopping` becomes true. A reader that is too slow
/// misses some, which the numbers of the events show.
pub async fn events(
    journal: &Journal,
    mut stopping: watch::Receiver<bool>,
    request: v1::EventsRequest,
) -> Result<Events, Status> {
    let filter = filter(&request)?;
    // Before past events are read, so that none is missed in between.
    let coming = journal.follow();
    let past = past(journal, request.limit, filter.clone()).await?;
    let last = past.last().map_or(0, |event| event.number);
    let past = stream::iter(past.into_iter().map(|event| Ok(wire(event))));
    if !request.follow {
        return Ok(past.boxed());
    }
    let coming = BroadcastStream::new(coming)
        .filter_map(move |event| {
            let wanted = |event: &Event| event.number > last && filter.wants(event);
            ready(event.ok().filter(wanted))
        })
        .map(|event| Ok(wire(event)));
    let stopped = async move {
        // Fails when the process is gone: then it stops all the more.
        let _ = stopping.wait_for(|stops| *stops).await;
    };
    Ok(past.chain(coming).take_until(stopped).boxed())
}

fn filter(request: &v1::EventsRequest) -> Result<Filter, Status> {
    let kinds = request.kinds.iter().map(|word| {
        EventKind::parse(word).ok_or_else(|| {
            let words: Vec<_> = EventKind::words().collect();
            let words = words.join(", ");
            Status::invalid_argument(format!("there is no kind of event `{word}`: {words}"))
        })
    });
    let ago = i64::try_from(request.last_ms).unwrap_or(i64::MAX);
    let last = match request.last_ms {
        0 => 0,
        _ => clock::unix_ms().saturating_sub(ago),
    };
    Ok(Filter {
        kinds: kinds.collect::<Result<_, _>>()?,
        services: request.services.clone(),
        since_unix_ms: request.since_unix_ms.max(last),
    })
}

async fn past(journal: &Journal, limit: u32, filter: Filter) -> Result<Vec<Event>, Status> {
    let limit = match limit {
        0 => PAST_DEFAULT,
        limit => limit as usize,
    };
    let journal = journal.clone();
    let recent = spawn_blocking(move || journal.recent(limit, &filter)).await;
    let recent = recent.map_err(|_| Status::unavailable("the process stops"))?;
    Ok(recent?)
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
    use crate::storage::store::Store;

    async fn numbers(events: &mut Events, count: usize) -> Vec<u64> {
        let events = events.take(count).collect::<Vec<_>>().await;
        let numbers = events.into_iter().map(|event| event.map(|e| e.number));
        numbers.collect::<Result<_, _>>().expect("no status")
    }

    fn asked(follow: bool, limit: u32) -> v1::EventsRequest {
        v1::EventsRequest {
            follow,
            limit,
            ..v1::EventsRequest::default()
        }
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

    #[tokio::test]
    async fn only_what_is_asked_for_is_told_of_the_past_and_from_now_on() {
        let data = tempfile::tempdir().expect("a temporary folder");
        let store = Store::open(data.path()).expect("a store");
        let journal = Journal::open(&store).expect("a journal");
        let (_stop, stopping) = watch::channel(false);
        let mut written = journal.follow();
        for subject in ["shop/orders", "shop/stock", "shop/orders"] {
            journal.record(EventKind::Joined, subject, "It joined.");
            written.recv().await.expect("it is written");
        }
        let only = v1::EventsRequest {
            kinds: vec!["joined".to_owned()],
            services: vec!["orders".to_owned()],
            last_ms: 60_000,
            ..asked(true, 0)
        };
        let orders = events(&journal, stopping.clone(), only.clone()).await;
        journal.record(EventKind::Left, "shop/orders", "It left.");
        journal.record(EventKind::Joined, "shop/orders", "It joined.");
        assert_eq!(numbers(&mut orders.expect("readable"), 3).await, [1, 3, 5]);
        let last = v1::EventsRequest {
            limit: 1,
            follow: false,
            ..only.clone()
        };
        let last = events(&journal, stopping.clone(), last).await;
        assert_eq!(numbers(&mut last.expect("readable"), 9).await, [5]);
        let misspelt = v1::EventsRequest {
            kinds: vec!["join".to_owned()],
            ..only
        };
        let refused = events(&journal, stopping, misspelt).await.err();
        let said = refused.expect("there is no such kind").message().to_owned();
        assert!(said.contains("`join`") && said.contains("joined"), "{said}");
    }
}
