//! Which events are wanted.

use super::{Event, EventKind};

/// Which events are wanted; the default is all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Of these kinds; empty: of all.
    pub kinds: Vec<EventKind>,
    /// About these services, as `namespace/service`, or a service of any namespace; empty: all.
    pub services: Vec<String>,
    /// Not before. Milliseconds since 1970-01-01 UTC.
    pub since_unix_ms: i64,
}

impl Filter {
    /// Is this event wanted?
    pub fn wants(&self, event: &Event) -> bool {
        let kind = self.kinds.is_empty() || self.kinds.contains(&event.kind);
        kind && event.time_unix_ms >= self.since_unix_ms && self.is_about(&event.subject)
    }

    /// A subject is `service`, `namespace/service` or `Kind/namespace/name`.
    fn is_about(&self, subject: &str) -> bool {
        let is_service = |service: &String| {
            let before = subject.strip_suffix(service.as_str());
            before.is_some_and(|before| before.is_empty() || before.ends_with('/'))
        };
        self.services.is_empty() || self.services.iter().any(is_service)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_wanted_by_kind_service_and_time() {
        let event = Event {
            number: 1,
            time_unix_ms: 7,
            kind: EventKind::Left,
            subject: "shop/orders".to_owned(),
            detail: String::new(),
        };
        let all = Filter::default();
        let service = |name: &str| Filter {
            services: vec!["stock".to_owned(), name.to_owned()],
            ..all.clone()
        };
        let kind = |kind| Filter {
            kinds: vec![kind],
            ..all.clone()
        };
        let since = |since_unix_ms| Filter {
            since_unix_ms,
            ..all.clone()
        };
        let cases = [
            ("all", all.clone(), true),
            ("its kind", kind(EventKind::Left), true),
            ("another kind", kind(EventKind::Joined), false),
            ("its service", service("orders"), true),
            ("with its namespace", service("shop/orders"), true),
            ("of another namespace", service("default/orders"), false),
            ("another name that ends so", service("ders"), false),
            ("from that moment on", since(7), true),
            ("later", since(8), false),
        ];
        for (rule, filter, expected) in cases {
            assert_eq!(filter.wants(&event), expected, "{rule}");
        }
    }
}
