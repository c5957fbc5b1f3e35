//! One class against one proxy: how its forms ended, and what was seen from outside.

use std::path::Path;
use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::backend::Backend;
use super::outside::Outside;
use super::proxy::{Proxy, SERVICE};
use crate::Authority;
use crate::hostile::clients::{IDLE, IDLE_CONNECTIONS};
use crate::hostile::{Class, Target};
use crate::raw::Door;

/// What came of it.
#[derive(Debug)]
pub struct Trial {
    /// The class.
    pub name: &'static str,
    /// How many forms were run.
    pub forms: usize,
    /// Forms that did not end as we expect of ourselves: name, and what happened.
    pub broken: Vec<(&'static str, String)>,
    /// What was seen from outside.
    pub outside: Outside,
    /// Time of all forms together.
    pub took: Duration,
}

/// Most memory of a connection that does nothing. Octets.
const IDLE_CONNECTION_BYTES_MAX: u64 = 30 << 10;
/// Longest that one form may take.
const FORM_MAX: Duration = Duration::from_secs(40);

impl Trial {
    /// Runs all forms of a class, one after the other.
    pub async fn run(proxy: &mut Proxy, target: &Target, class: &Class) -> Trial {
        let forms = async {
            let (began, mut broken) = (Instant::now(), Vec::new());
            for (index, form) in class.forms.iter().enumerate() {
                let ended = timeout(FORM_MAX, (class.run)(target.clone(), index)).await;
                let ended = ended.unwrap_or_else(|_| Err(format!("not over after {FORM_MAX:?}")));
                broken.extend(ended.err().map(|why| (*form, why)));
            }
            (broken, began.elapsed())
        };
        let ((broken, took), outside) =
            Outside::of(proxy, target.door.clone(), &target.authority, forms).await;
        Trial {
            name: class.name,
            forms: class.forms.len(),
            broken,
            outside,
            took,
        }
    }

    /// A class at the port for other sidecars of a fresh sidecar, that `program` runs with its files
    /// in `folder`. The hostile one is a verified member of the mesh; `volume` is as in [`Target`].
    ///
    /// # Errors
    /// The sidecar does not start.
    pub async fn of_a_member(
        program: &Path,
        folder: &Path,
        class: &Class,
        volume: usize,
    ) -> std::io::Result<Trial> {
        let (backend, authority) = (Backend::start().await, Authority::new());
        let mut proxy = Proxy::ours_inbound(program, folder, backend.address, &authority).await?;
        let target = Target {
            door: Door {
                address: proxy.address,
                tls: Some(authority.client("frontend")),
            },
            authority: SERVICE.to_owned(),
            seen: backend.seen,
            volume,
        };
        Ok(Trial::run(&mut proxy, &target, class).await)
    }

    /// Says what was measured.
    ///
    /// # Panics
    /// If there are [`complaints`](Trial::complaints).
    pub fn assert_holds(&self, name: &str) {
        eprintln!(
            "{name}: {} forms in {:?}, memory +{} KiB, others p99 {:?}",
            self.forms,
            self.took,
            self.outside.growth_at_peak >> 10,
            self.outside.felt.p99()
        );
        let complaints = self.complaints();
        assert!(
            complaints.is_empty(),
            "{name}\n  {}",
            complaints.join("\n  ")
        );
    }

    /// What CI holds against us: all as expected, and what [`Outside::complaints`] says. One
    /// sentence for each promise that is broken.
    pub fn complaints(&self) -> Vec<String> {
        let forms = self.broken.iter();
        let forms = forms.map(|(form, why)| format!("{form}: {why}"));
        let idle = self.idle_complaint();
        forms.chain(self.outside.complaints()).chain(idle).collect()
    }

    /// What an idle connection takes, if it is too much.
    pub fn idle_complaint(&self) -> Option<String> {
        let each = self.outside.growth_at_peak / IDLE as u64;
        let is_over = self.name == IDLE_CONNECTIONS && each > IDLE_CONNECTION_BYTES_MAX;
        is_over.then(|| format!("{each} octets for each idle connection"))
    }
}
