//! What a restart finds: services and registrations as they last changed, no heartbeats.

use std::net::SocketAddr;

use redb::{ReadableTable, TableDefinition, WriteTransaction};

use super::change::{Announced, Change, Registration, ServiceName};
use crate::member::MemberId;
use crate::store::{Store, StoreError};

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

/// What was written down.
#[derive(Debug, Default, PartialEq)]
pub struct Kept {
    pub services: Vec<(ServiceName, i64)>,
    pub registrations: Vec<Registration>,
}

/// Reads everything; makes the tables where there are none.
///
/// # Errors
/// The store cannot be read or written.
pub fn load(store: &Store) -> Result<Kept, StoreError> {
    store.write(|transaction| {
        Ok(Kept {
            services: load_services(transaction).map_err(StoreError::from)?,
            registrations: load_registrations(transaction).map_err(StoreError::from)?,
        })
    })
}

fn load_services(transaction: &WriteTransaction) -> Result<Vec<(ServiceName, i64)>, redb::Error> {
    let table = transaction.open_table(SERVICES)?;
    let mut services = Vec::new();
    for entry in table.iter()? {
        let (key, rank) = entry?;
        services.push((service_name(key.value()), rank.value()));
    }
    Ok(services)
}

fn load_registrations(transaction: &WriteTransaction) -> Result<Vec<Registration>, redb::Error> {
    let table = transaction.open_table(REGISTRATIONS)?;
    let holders = transaction.open_table(HOLDERS)?;
    let mut registrations = Vec::new();
    for entry in table.iter()? {
        let (key, value) = entry?;
        let (service, namespace, address) = key.value();
        let (instance, joined_unix_ms) = value.value();
        let holder = holders.get((service, namespace, address))?;
        let member = holder.map_or(MemberId::UNKNOWN, |holder| MemberId::kept(holder.value()));
        // We wrote it, so it parses; what does not is nobody's address.
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

/// Writes changes down, in order.
///
/// # Errors
/// The store cannot be written; then none of them is.
pub fn write(store: &Store, changes: &[Change]) -> Result<(), StoreError> {
    store.write(|transaction| {
        for change in changes {
            write_one(transaction, change).map_err(StoreError::from)?;
        }
        Ok(())
    })
}

fn write_one(transaction: &WriteTransaction, change: &Change) -> Result<(), redb::Error> {
    let mut services = transaction.open_table(SERVICES)?;
    let mut registrations = transaction.open_table(REGISTRATIONS)?;
    let mut holders = transaction.open_table(HOLDERS)?;
    match change {
        Change::Known(name, rank) => {
            services.insert(service_key(name), rank)?;
        }
        Change::Forgotten(name) => {
            services.remove(service_key(name))?;
        }
        Change::Joined(Registration {
            announced,
            joined_unix_ms,
        }) => {
            let (service, namespace) = service_key(&announced.name);
            let address = announced.address.to_string();
            let value = (announced.instance.as_str(), *joined_unix_ms);
            let key = (service, namespace, address.as_str());
            registrations.insert(key, value)?;
            holders.insert(key, announced.member.octets())?;
        }
        Change::Left(announced, _) => {
            let (service, namespace) = service_key(&announced.name);
            let address = announced.address.to_string();
            let key = (service, namespace, address.as_str());
            registrations.remove(key)?;
            holders.remove(key)?;
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
    use crate::registry::change::Cause;

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
        assert_eq!(load(&store).expect("readable"), Kept::default());
        let (one, two) = (registration("10.0.0.1:1"), registration("[::1]:2"));
        let other = service_name(("pay", "shop"));
        let changes = [
            Change::Known(one.announced.name.clone(), 5),
            Change::Known(other.clone(), 6),
            Change::Joined(one.clone()),
            Change::Joined(two.clone()),
            Change::Left(one.announced.clone(), Cause::Expired),
            Change::Forgotten(other),
        ];
        write(&store, &changes).expect("written");
        drop(store);
        let store = Store::open(folder.path()).expect("the same store");
        let expected = Kept {
            services: vec![(one.announced.name, 5)],
            registrations: vec![two],
        };
        assert_eq!(load(&store).expect("readable"), expected);
    }
}
