//! The tables of events. Events of operators, of members and of clients without a token have a table
//! each, so that none pushes out another's.

use redb::{
    ReadTransaction, ReadableTable, ReadableTableMetadata, Table, TableDefinition, WriteTransaction,
};

use super::{Event, EventKind, Filter, Origin};
use crate::storage::store::{StoreError, existing};

/// Number to (milliseconds since 1970-01-01 UTC, kind, subject, detail).
type Events = TableDefinition<'static, u64, (i64, &'static str, &'static str, &'static str)>;

/// What the members of a mesh did.
const EVENTS: Events = TableDefinition::new("events");

/// Events of operators; those of members do not push them out.
const TRAIL: Events = TableDefinition::new("trail");

/// Refused joins; they push out only other refusals.
const REFUSALS: Events = TableDefinition::new("refusals");

/// All tables of events, and the callers whose events each has.
const TABLES: [(Events, Origin); 3] = [
    (EVENTS, Origin::Members),
    (TRAIL, Origin::Operators),
    (REFUSALS, Origin::Strangers),
];

/// Events kept, of operators and of others; an older one is gone. 10,000: a day of a restless mesh,
/// about a megabyte.
const KEPT: u64 = 10_000;

/// The last `limit` events that `filter` wants, oldest first.
pub fn recent(
    transaction: &ReadTransaction,
    limit: usize,
    filter: &Filter,
) -> Result<Vec<Event>, StoreError> {
    let mut found = Vec::new();
    for (table, _) in TABLES {
        let Some(events) = existing(transaction.open_table(table))? else {
            continue;
        };
        let mut newest = events.iter().map_err(redb::Error::from)?.rev();
        let enough = found.len().saturating_add(limit);
        while found.len() < enough
            && let Some(entry) = newest.next()
        {
            let (number, event) = entry.map_err(redb::Error::from)?;
            let event = decode(number.value(), event.value());
            found.extend(event.filter(|event| filter.wants(event)));
        }
    }
    found.sort_unstable_by_key(|event| event.number);
    found.drain(..found.len().saturating_sub(limit));
    Ok(found)
}

/// The number of the last event ever written.
pub fn last_number(transaction: &ReadTransaction) -> Result<u64, StoreError> {
    let mut greatest = 0;
    for (table, _) in TABLES {
        let Some(events) = existing(transaction.open_table(table))? else {
            continue;
        };
        let last = events.last().map_err(redb::Error::from)?;
        greatest = greatest.max(last.map_or(0, |(number, _)| number.value()));
    }
    Ok(greatest)
}

pub fn append(transaction: &WriteTransaction, events: &[Event]) -> Result<(), StoreError> {
    for (table, origin) in TABLES {
        let mut table = transaction.open_table(table).map_err(redb::Error::from)?;
        let own = events.iter();
        for event in own.filter(|event| event.kind.origin() == origin) {
            let kind = event.kind.word();
            let value = (event.time_unix_ms, kind, &*event.subject, &*event.detail);
            let inserted = table.insert(event.number, value);
            inserted.map_err(redb::Error::from)?;
        }
        forget(&mut table)?;
    }
    Ok(())
}

/// Removes the oldest of too many events.
fn forget(table: &mut Table<'_, u64, (i64, &str, &str, &str)>) -> Result<(), StoreError> {
    while table.len().map_err(redb::Error::from)? > KEPT {
        table.pop_first().map_err(redb::Error::from)?;
    }
    Ok(())
}

/// `None`: an event of a kind that only a later version knows.
fn decode(number: u64, event: (i64, &str, &str, &str)) -> Option<Event> {
    let (time_unix_ms, kind, subject, detail) = event;
    Some(Event {
        number,
        time_unix_ms,
        kind: EventKind::parse(kind)?,
        subject: subject.to_owned(),
        detail: detail.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::journal::Journal;
    use crate::storage::store::Store;

    #[test]
    fn strangers_push_out_nothing_but_refusals() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let store = Store::open(folder.path()).expect("a store");
        let event = |number, kind| Event {
            number,
            time_unix_ms: 0,
            kind,
            subject: String::new(),
            detail: String::new(),
        };
        let applied = event(1, EventKind::Applied);
        let renewed = event(2, EventKind::Renewed);
        let flood = (3..=KEPT + 7).map(|number| event(number, EventKind::Refused));
        let events = [applied.clone(), renewed.clone()].into_iter().chain(flood);
        let events: Vec<Event> = events.collect();
        let journal = Journal::open(&store).expect("a journal");
        let appended = store.write(|transaction| append(transaction, &events));
        appended.expect("written");
        let kept = journal
            .recent(usize::MAX, &Filter::default())
            .expect("readable");
        assert_eq!(kept[..2], [applied, renewed]);
        assert_eq!(kept.len() as u64, KEPT + 2);
        assert_eq!(kept[2].number, 8);
        let last = store.read(last_number).expect("readable");
        assert_eq!(last, KEPT + 7);
    }
}
