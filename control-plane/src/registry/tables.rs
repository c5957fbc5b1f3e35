//! The registry's tables in the store: services and registrations, no heartbeats.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use redb::{ReadTransaction, ReadableTable, TableDefinition, WriteTransaction};

use super::change::{Announced, Change, Registration, ServiceName};
use crate::members::MemberId;
use crate::storage::store::{Store, StoreError, existing};

/// (service, namespace) to its rank among those of its name: the time it was first known, in
/// milliseconds since 1970-01-01 UTC, or one more than the greatest rank before it.
const SERVICES: TableDefinition<'_, (&str, &str), i64> = TableDefinition::new("services");

/// (service, namespace, address) to (instance, when it joined, in the same unit).
const REGISTRATIONS: TableDefinition<'_, (&str, &str, &str), (&str, i64)> =
    TableDefinition::new("registrations");

/// (service, namespace, address) to the member whose registration it is. Beside the table above, and
/// missing for what was written before members had ids.
const HOLDERS: TableDefinition<'_, (&str, &str, &str), [u8; MemberId::BYTES]> =
    TableDefinition::new("registration_members");

/// What the store holds.
#[derive(Debug, Default, PartialEq)]
pub struct StoredRegistry {
    pub services: Vec<(ServiceName, i64)>,
    pub registrations: Vec<Registration>,
}

/// How many instances are registered.
///
/// # Errors
/// The store cannot be read.
pub fn count(store: &Store) -> Result<usize, StoreError> {
    Ok(load(store)?.registrations.len())
}

/// Reads everything.
///
/// # Errors
/// The store cannot be read.
pub fn load(store: &Store) -> Result<StoredRegistry, StoreError> {
    store.read(|transaction| {
        Ok(StoredRegistry {
            services: load_services(transaction).map_err(StoreError::from)?,
            registrations: load_registrations(transaction).map_err(StoreError::from)?,
        })
    })
}

fn load_services(transaction: &ReadTransaction) -> Result<Vec<(ServiceName, i64)>, redb::Error> {
    let mut services = Vec::new();
    let Some(table) = existing(transaction.open_table(SERVICES))? else {
        return Ok(services);
    };
    for entry in table.iter()? {
        let (key, rank) = entry?;
        services.push((service_name(key.value()), rank.value()));
    }
    Ok(services)
}

fn load_registrations(transaction: &ReadTransaction) -> Result<Vec<Registration>, redb::Error> {
    let mut registrations = Vec::new();
    let Some(table) = existing(transaction.open_table(REGISTRATIONS))? else {
        return Ok(registrations);
    };
    let holders = existing(transaction.open_table(HOLDERS))?;
    for entry in table.iter()? {
        let (key, value) = entry?;
        let (service, namespace, address) = key.value();
        let (instance, joined_unix_ms) = value.value();
        let key = (service, namespace, address);
        let holder = match &holders {
            Some(holders) => holders.get(key)?,
            None => None,
        };
        let member = holder.map_or(MemberId::UNKNOWN, |holder| {
            MemberId::from_octets(holder.value())
        });
        // We wrote it, so it parses; skip a row that does not.
        let Ok(address) = address.parse::<SocketAddr>() else {
            continue;
        };
        let announced = Announced {
            name: service_name((service, namespace)),
            member,
            instance: instance.to_owned(),
            address,
        };
        registrations.push(Registration {
            announced,
            joined_unix_ms,
        });
    }
    Ok(registrations)
}

/// Changes that are not written yet: the last one of each row, so that it grows with the rows and not
/// with the time for which the disk takes no writes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unwritten {
    /// The rank; `None`: the service is forgotten.
    services: BTreeMap<ServiceName, Option<i64>>,
    /// `None`: the instance has left.
    registrations: BTreeMap<(ServiceName, SocketAddr), Option<Registration>>,
}

impl Unwritten {
    /// Nothing has to be written.
    pub fn is_empty(&self) -> bool {
        self.services.is_empty() && self.registrations.is_empty()
    }

    /// Takes changes, in order.
    pub fn add(&mut self, changes: impl IntoIterator<Item = Change>) {
        for change in changes {
            match change {
                Change::Known(name, rank) => drop(self.services.insert(name, Some(rank))),
                Change::Forgotten(name) => drop(self.services.insert(name, None)),
                Change::Joined(joined) => {
                    let Announced { name, address, .. } = &joined.announced;
                    let key = (name.clone(), *address);
                    self.registrations.insert(key, Some(joined));
                }
                Change::Left(Announced { name, address, .. }, _) => {
                    self.registrations.insert((name, address), None);
                }
            }
        }
    }
}

/// Writes it down, all or nothing.
///
/// # Errors
/// The store cannot be written.
pub fn write(store: &Store, unwritten: &Unwritten) -> Result<(), StoreError> {
    store.write(|transaction| Ok(write_rows(transaction, unwritten)?))
}

fn write_rows(transaction: &WriteTransaction, unwritten: &Unwritten) -> Result<(), redb::Error> {
    let mut services = transaction.open_table(SERVICES)?;
    let mut registrations = transaction.open_table(REGISTRATIONS)?;
    let mut holders = transaction.open_table(HOLDERS)?;
    for (name, rank) in &unwritten.services {
        match rank {
            Some(rank) => drop(services.insert(service_key(name), rank)?),
            None => drop(services.remove(service_key(name))?),
        }
    }
    for ((name, address), row) in &unwritten.registrations {
        let ((service, namespace), address) = (service_key(name), address.to_string());
        let key = (service, namespace, address.as_str());
        match row {
            Some(Registration {
                announced,
                joined_unix_ms,
            }) => {
                registrations.insert(key, (announced.instance.as_str(), *joined_unix_ms))?;
                holders.insert(key, announced.member.octets())?;
            }
            None => {
                registrations.remove(key)?;
                holders.remove(key)?;
            }
        }
    }
    Ok(())
}

fn service_key(name: &ServiceName) -> (&str, &str) {
    (&name.service, &name.namespace)
}

fn service_name((service, namespace): (&str, &str)) -> ServiceName {
    ServiceName {
        service: service.to_owned(),
        namespace: namespace.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::change::LeaveReason;

    fn registration(address: &str) -> Registration {
        Registration {
            announced: Announced {
                name: service_name(("orders", "shop")),
                member: MemberId::new([3; 8]),
                instance: "run".to_owned(),
                address: address.parse().expect("an address"),
            },
            joined_unix_ms: 7,
        }
    }

    #[test]
    fn changes_are_found_after_a_restart() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let store = Store::open(folder.path()).expect("a store");
        assert_eq!(load(&store).expect("readable"), StoredRegistry::default());
        let (one, two) = (registration("10.0.0.1:1"), registration("[::1]:2"));
        let other = service_name(("pay", "shop"));
        let changes = [
            Change::Known(one.announced.name.clone(), 5),
            Change::Known(other.clone(), 6),
            Change::Joined(one.clone()),
            Change::Joined(two.clone()),
            Change::Left(one.announced.clone(), LeaveReason::Expired),
            Change::Forgotten(other),
        ];
        let mut unwritten = Unwritten::default();
        unwritten.add(changes);
        write(&store, &unwritten).expect("written");
        drop(store);
        let store = Store::open(folder.path()).expect("the same store");
        let expected = StoredRegistry {
            services: vec![(one.announced.name, 5)],
            registrations: vec![two],
        };
        assert_eq!(load(&store).expect("readable"), expected);
    }
}
