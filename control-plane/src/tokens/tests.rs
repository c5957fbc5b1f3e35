//! When a token counts, over a store.

use std::time::Duration;

use tempfile::TempDir;

use super::*;
use crate::authority::Authority;

const NOW: i64 = 1_800_000_000;

struct Bed {
    folder: TempDir,
    tokens: Tokens,
}

fn open(folder: &TempDir) -> Tokens {
    let store = Store::open(folder.path()).expect("a store");
    let life = Duration::from_secs(60);
    let authority = Authority::open(&store, "outrider.local", life, NOW).expect("an authority");
    let bundle = authority.bundle();
    Tokens::open(&store, authority.trust_domain(), bundle)
}

fn bed() -> Bed {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let tokens = open(&folder);
    Bed { folder, tokens }
}

async fn orders(tokens: &Tokens, life_seconds: u32) -> (Token, String) {
    let request = v1::CreateTokenRequest {
        namespace: String::new(),
        service: "orders".to_owned(),
        life_seconds,
    };
    let created = tokens.create(request, NOW).await.expect("a token");
    let id = created.details.expect("details").id;
    (created.token.parse().expect("a token's text"), id)
}

async fn refusal(tokens: &Tokens, token: &Token, now: i64) -> Option<String> {
    let checked = tokens.check(&token.to_string(), now).await;
    let joined = tokens.record_join(token.clone(), now).await;
    let problem = |error: TokensError| error.to_string();
    let (checked, joined) = (checked.err().map(problem), joined.err().map(problem));
    assert_eq!(checked, joined);
    checked
}

#[tokio::test]
async fn a_token_counts_until_it_expires() {
    let bed = bed();
    let (token, _) = orders(&bed.tokens, 60).await;
    assert_eq!(refusal(&bed.tokens, &token, NOW + 59).await, None);
    let problem = refusal(&bed.tokens, &token, NOW + 60).await;
    assert!(problem.is_some_and(|problem| problem.contains("expired 0 s ago")));
}

#[tokio::test]
async fn a_day_where_nobody_says_and_a_year_at_most() {
    let bed = bed();
    let (token, _) = orders(&bed.tokens, 0).await;
    assert_eq!(refusal(&bed.tokens, &token, NOW + 86_399).await, None);
    assert!(refusal(&bed.tokens, &token, NOW + 86_400).await.is_some());
    assert_eq!(life_seconds_of(31_536_000).ok(), Some(31_536_000));
    assert!(matches!(
        life_seconds_of(31_536_001),
        Err(TokensError::Life(_))
    ));
}

#[tokio::test]
async fn a_secret_a_name_or_an_id_that_was_changed_is_unknown() {
    let bed = bed();
    let (token, _) = orders(&bed.tokens, 60).await;
    let mut secret = token.clone();
    secret.secret[31] ^= 1;
    let mut id = token.clone();
    id.id[0] ^= 1;
    let service = Token {
        service: "payments".to_owned(),
        ..token.clone()
    };
    let namespace = Token {
        namespace: "shop".to_owned(),
        ..token
    };
    for changed in [secret, id, service, namespace] {
        let problem = refusal(&bed.tokens, &changed, NOW).await;
        let expected = TokensError::Unknown.to_string();
        assert_eq!(problem, Some(expected), "{changed:?}");
    }
}

#[tokio::test]
async fn who_does_not_know_the_secret_is_not_told_that_the_token_was_revoked() {
    let bed = bed();
    let (token, id) = orders(&bed.tokens, 60).await;
    bed.tokens.revoke(&id).await.expect("it is there");
    let told = refusal(&bed.tokens, &token, NOW).await;
    assert!(told.is_some_and(|told| told.contains("revoked")));
    let mut guess = token;
    guess.secret = [0; 32];
    let told = refusal(&bed.tokens, &guess, NOW).await;
    assert_eq!(told, Some(TokensError::Unknown.to_string()));
}

#[tokio::test]
async fn joins_and_revocations_outlive_the_process() {
    let bed = bed();
    let (token, _) = orders(&bed.tokens, 60).await;
    let (_, revoked) = orders(&bed.tokens, 60).await;
    bed.tokens.revoke(&revoked).await.expect("it is there");
    for _ in 0..3 {
        let joined = bed.tokens.record_join(token.clone(), NOW).await;
        assert_eq!(joined.expect("it counts").service, "orders");
    }
    let Bed { folder, tokens } = bed;
    // All of it is written when they are listed.
    tokens.list().await.expect("a list");
    drop(tokens);
    // The task that would have written it has a copy of the store until it has run.
    while Store::open(folder.path()).is_err() {
        tokio::task::yield_now().await;
    }
    let tokens = open(&folder);
    let listed = tokens.list().await.expect("a list");
    let mut shown: Vec<_> = listed.iter().map(|t| (t.revoked, t.joins)).collect();
    shown.sort_unstable();
    assert_eq!(shown, [(false, 3), (true, 0)]);
    assert_eq!(refusal(&tokens, &token, NOW).await, None);
}

#[tokio::test]
async fn what_expired_long_ago_is_forgotten() {
    let bed = bed();
    let (_, old) = orders(&bed.tokens, 1).await;
    let request = v1::CreateTokenRequest {
        namespace: "shop".to_owned(),
        service: "orders".to_owned(),
        life_seconds: 1,
    };
    let later = NOW + KEPT_SECONDS + 1;
    bed.tokens.create(request, later).await.expect("a token");
    let listed = bed.tokens.list().await.expect("a list");
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].namespace, "shop");
    let gone = bed.tokens.revoke(&old).await;
    assert!(matches!(gone, Err(TokensError::Missing(id)) if id == old));
}

#[tokio::test]
async fn names_that_no_service_can_have() {
    let bed = bed();
    for (namespace, service) in [("", ""), ("", "Orders"), ("a.b", "orders"), ("", "a/b")] {
        let request = v1::CreateTokenRequest {
            namespace: namespace.to_owned(),
            service: service.to_owned(),
            life_seconds: 0,
        };
        let made = bed.tokens.create(request, NOW).await;
        assert!(matches!(made, Err(TokensError::Name { .. })));
    }
}

#[tokio::test]
async fn a_token_is_used_fifty_times_a_second_and_no_join_waits_for_the_disk() {
    let bed = bed();
    let (token, _) = orders(&bed.tokens, 60).await;
    let (other, _) = orders(&bed.tokens, 60).await;
    let store = bed.tokens.store.clone();
    let (done, until_done) = std::sync::mpsc::channel::<()>();
    let busy = tokio::task::spawn_blocking(move || {
        let write = |_: &redb::WriteTransaction| {
            // Its end, or that of the test.
            let _ = until_done.recv();
            Ok::<_, TokensError>(())
        };
        store.write(write)
    });
    let mut refused = 0;
    for _ in 0..60 {
        match bed.tokens.record_join(token.clone(), NOW).await {
            Ok(joined) => assert_eq!(joined.service, "orders"),
            Err(TokensError::TooOften) => refused += 1,
            Err(error) => panic!("{error}"),
        }
    }
    assert!((1..=10).contains(&refused), "{refused}");
    let other = bed.tokens.record_join(other, NOW).await;
    assert!(other.is_ok(), "another token has its own");
    drop(done);
    busy.await.expect("no panic").expect("written");
    let listed = bed.tokens.list().await.expect("a list");
    let joins: u64 = listed.iter().map(|token| token.joins).sum();
    assert_eq!(joins, 60 - refused + 1);
}
