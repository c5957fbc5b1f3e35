//! Plays the scenes one after the other and watches the mesh meanwhile.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::endpoints::{self, Endpoint};
use crate::error::DemoError;
use crate::mesh::Mesh;
use crate::observe::{MeshCounts, Observer};
use crate::scenes::Scene;
use crate::statistics::StatisticsByScene;
use crate::table::{Progress, SceneCounts};

/// How often the sidecars are asked for their counts.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The demo while it runs. The load shares `scene` (`None`: all scenes are over) and `statistics`.
pub struct DemoRun<'a> {
    /// Length of a scene.
    pub each: Duration,
    /// The processes that the scenes act on.
    pub mesh: &'a mut Mesh,
    /// Adds up what the sidecars count.
    pub observer: Observer,
    /// Shows the progress.
    pub progress: Progress,
    /// The scene being played.
    pub scene: &'a Cell<Option<Scene>>,
    /// What the customers saw.
    pub statistics: &'a RefCell<StatisticsByScene>,
}

impl DemoRun<'_> {
    /// Plays all scenes; the load ends with them, also when one fails.
    ///
    /// # Errors
    /// When a process does not start, stop or answer.
    pub async fn all(&mut self) -> Result<(), DemoError> {
        let played = self.play_scenes().await;
        self.scene.set(None);
        played
    }

    /// What the mesh has counted by now.
    pub async fn look(&mut self) -> MeshCounts {
        self.observer.look(&self.mesh.sidecars()).await;
        self.observer.total()
    }

    /// How the sidecar of `frontend` sees the instances of `orders` by now.
    ///
    /// # Errors
    /// When it does not run.
    pub async fn orders(&self) -> Result<Vec<Endpoint>, DemoError> {
        let frontend = self.mesh.sidecar("frontend")?;
        let page = self
            .observer
            .fetch(frontend.admin, "/clusters")
            .await
            .unwrap_or_default();
        Ok(endpoints::parse(&page, "orders", |address| {
            self.mesh.name_of(address)
        }))
    }

    async fn play_scenes(&mut self) -> Result<(), DemoError> {
        let mut all_counts = Vec::new();
        for scene in Scene::ALL {
            self.scene.set(Some(scene));
            // Looks first: what a killed sidecar has counted would be lost.
            let before = self.look().await;
            let start = Instant::now();
            scene.begin(self.mesh).await?;
            self.watch(start + self.each / 2, scene, &before, &mut all_counts)
                .await;
            scene.turn(self.mesh).await?;
            self.watch(start + self.each, scene, &before, &mut all_counts)
                .await;
            scene.end(self.mesh).await?;
            if let Some(scene_counts) = all_counts.last() {
                self.progress.close(scene_counts, &self.statistics.borrow());
            }
        }
        Ok(())
    }

    /// Looks at the mesh and shows it, again and again until `end`.
    async fn watch(
        &mut self,
        end: Instant,
        scene: Scene,
        before: &MeshCounts,
        all_counts: &mut Vec<SceneCounts>,
    ) {
        loop {
            let next = (Instant::now() + LOOK_EVERY).min(end);
            sleep_until(next).await;
            let scene_counts = SceneCounts::new(scene, before, &self.look().await);
            all_counts.retain(|scene_counts| scene_counts.scene != scene);
            all_counts.push(scene_counts);
            self.progress.draw(all_counts, &self.statistics.borrow());
            if next == end {
                return;
            }
        }
    }
}
