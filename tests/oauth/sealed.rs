//! A web login that is begun by one instance and ended by another.

use token_storage::oauth::{LoginErrorKind, LoginKey, OAuthClient};

use crate::support::{Browser, assert_logged_in, assert_nothing_redeemed, client, code_page, options, param, world};

fn key(byte: u8) -> LoginKey {
    LoginKey::new([byte; 32])
}

#[tokio::test]
async fn another_instance_ends_a_login() {
    let (server, begun_by) = world().await;
    let login = begun_by.begin_login(&options(), &code_page(&server)).unwrap();
    assert_eq!(param(login.url(), "state").as_deref(), Some(login.state()));
    let sealed = login.seal(&key(1), 600).unwrap();
    let target = Browser::new().decide(login.url(), "approve").await;
    drop((login, begun_by));
    let resumed = client(&server).await.resume_login(sealed.expose(), &key(1)).unwrap();
    assert_logged_in(&server, &resumed.finish_with_redirect(target.as_str()).await.unwrap());
}

#[tokio::test]
async fn a_login_that_is_not_ours_or_is_over_is_refused() {
    let (server, client) = world().await;
    let login = client.begin_login(&options(), &code_page(&server)).unwrap();
    let sealed = login.seal(&key(1), 600).unwrap();
    let over = login.seal(&key(1), 0).unwrap();
    assert_ne!(sealed, login.seal(&key(1), 600).unwrap(), "each has a key of its own");
    let refused =
        |client: &OAuthClient, text: &str, with: u8| client.resume_login(text, &key(with)).unwrap_err().kind();
    assert_eq!(refused(&client, over.expose(), 1), LoginErrorKind::TimedOut);
    assert_eq!(refused(&client, sealed.expose(), 2), LoginErrorKind::StateMismatch);
    let other = OAuthClient::new(
        token_storage::oauth::HttpClient::new().unwrap(),
        client.provider().clone(),
        "other",
    );
    assert_eq!(refused(&other, sealed.expose(), 1), LoginErrorKind::StateMismatch);
    for at in (0..sealed.expose().len()).step_by(7) {
        let mut changed = sealed.expose().to_owned().into_bytes();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).unwrap();
        assert_eq!(refused(&client, &changed, 1), LoginErrorKind::StateMismatch, "{at}");
    }
    for text in ["", "A", "???", &sealed.expose()[..40]] {
        assert_eq!(refused(&client, text, 1), LoginErrorKind::StateMismatch, "{text}");
    }
    assert!(!format!("{:?}", key(1)).contains('1'));
    assert_nothing_redeemed(&server);
}
