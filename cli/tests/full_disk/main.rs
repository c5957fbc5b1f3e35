//! A control plane whose disk fills up refuses changes and does all else, also when it is killed and
//! started again meanwhile; with room on the disk it goes on by itself; and what it acknowledged
//! is there.
//!
//! A real process on a small file system of its own, in a mount namespace, which takes root.
//! `OUTRIDER_FULL_DISK_CYCLES` times full and free again (default 100).

mod disk;
mod plane;

use std::env;

use disk::mounted;
use outrider_tests::joiner::{channel, join, renew_over};
use outrider_tests::member::{Member, serving};
use plane::{Plane, check_refused};

/// What the system says.
const FULL: &str = "No space left on device";

/// Of how many cycles one has a kill -9 and a start on the full disk.
const CYCLES_PER_KILL: usize = 5;

fn cycles() -> usize {
    let given = env::var("OUTRIDER_FULL_DISK_CYCLES").ok();
    given.map_or(100, |given| given.parse().expect("a number"))
}

fn check_kept(acknowledged: &[u64], kept: &[u64]) {
    for version in acknowledged {
        assert!(kept.contains(version), "version {version} is lost");
    }
}

#[tokio::test]
async fn a_full_disk_refuses_changes_and_nothing_else_and_loses_nothing() {
    let Some(disk) = mounted() else { return };
    let mut plane = Plane::start(&disk).await;
    let mut acknowledged = vec![plane.apply(0).await.expect("there is room")];
    let mut red_at_start = Vec::new();
    for cycle in 1..=cycles() {
        // So that the disk fails at another octet of another write each time.
        disk.fill_up_to(cycle as u64 % 16 * 12 * 1_024);
        let (taken, refused) = plane.apply_until_refused(cycle).await;
        acknowledged.extend(taken);
        check_refused(&refused, FULL);
        plane.check_unwritable(FULL).await;
        if cycle % CYCLES_PER_KILL == 0 {
            drop(plane);
            plane = Plane::start(&disk).await;
            // Before anything has been refused.
            red_at_start.push(
                plane
                    .check_readiness(FULL, cycle * 1_000 + 500, &mut acknowledged)
                    .await,
            );
            check_kept(&acknowledged, &plane.versions().await);
        }
        disk.free();
        plane.check_mended().await;
        acknowledged.push(
            plane
                .apply(cycle * 1_000 + 999)
                .await
                .expect("there is room"),
        );
        assert_eq!(plane.in_force().await, acknowledged[acknowledged.len() - 1]);
    }
    assert!(red_at_start.is_empty() || red_at_start.contains(&true));
    check_kept(&acknowledged, &plane.versions().await);
    drop(plane);
    let mut plane = Plane::start(&disk).await;
    let kept = plane.versions().await;
    check_kept(&acknowledged, &kept);
    assert_eq!(plane.in_force().await, kept[0]);
    println!("{} cycles, {} versions kept", cycles(), acknowledged.len());
}

#[tokio::test]
async fn a_read_only_disk_is_served_from_and_goes_on_when_it_is_none_any_more() {
    let Some(disk) = mounted() else { return };
    let mut plane = Plane::start(&disk).await;
    let version = plane.apply(1).await.expect("there is room");
    // Not stopped: what it leaves behind has to be put right by the next one.
    drop(plane);
    disk.remount("ro");
    let mut plane = Plane::start(&disk).await;
    assert_eq!(plane.in_force().await, version);
    let cause = "Read-only file system";
    check_refused(
        &plane.apply(2).await.expect_err("nothing is written"),
        cause,
    );
    plane.check_unwritable(cause).await;
    disk.remount("rw");
    plane.check_mended().await;
    assert_eq!(plane.apply(3).await.ok(), Some(version + 1));
}

#[tokio::test]
async fn members_join_renew_and_announce_while_the_disk_is_full() {
    let Some(disk) = mounted() else { return };
    let mut plane = Plane::start(&disk).await;
    let member = Member::join(plane.address, &mut plane.client, "orders").await;
    let mut announcements = member.announcements().await;
    let here = serving("one", "127.0.0.1:9");
    announcements.say(here.clone()).await.expect("a lease");
    disk.fill_up_to(0);
    let (_, refused) = plane.apply_until_refused(1).await;
    check_refused(&refused, FULL);

    announcements.say(here).await.expect("the lease is renewed");
    let joined = join(plane.address, &member.token).await;
    let joined = joined.expect("another instance joins");
    let connected = channel(plane.address, joined.tls()).await;
    let renewed = renew_over(connected.expect("it is believed"), "orders").await;
    renewed.expect("its certificate is renewed");
    plane.check_unwritable(FULL).await;
    assert_eq!(plane.joins().await, [1]);

    disk.free();
    plane.check_mended().await;
    assert_eq!(plane.joins().await, [2]);
    drop(plane);
    assert_eq!(Plane::start(&disk).await.joins().await, [2]);
}
