//! The server as a program, and what another process can switch on.

use std::{
    io::{BufRead as _, BufReader},
    process::{Command, Stdio},
};

use serde_json::Value;

fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
}

#[tokio::test]
async fn it_serves_until_a_signal_ends_it() {
    let program = env!("CARGO_BIN_EXE_test-auth-server");
    let mut serving = Command::new(program)
        .args(["serve", "--like", "strava", "--issue", "read write"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(serving.stdout.take().unwrap()).lines();
    let url = lines.next().unwrap().unwrap();
    let issued: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
    assert!(url.starts_with("http://127.0.0.1:") && issued["refresh_token"].is_string());

    let post = async |path: &str, form: &[(&str, &str)]| {
        let sent = client().post(format!("{url}{path}")).form(form).send().await.unwrap();
        sent.status().as_u16()
    };
    let fault = [("endpoint", "token"), ("fault", "status-503")];
    assert_eq!(post("/_test/fault", &fault).await, 200);
    assert_eq!(
        post("/_test/fault", &[("endpoint", "token"), ("fault", "surprise")]).await,
        400
    );
    let form = [
        ("grant_type", "refresh_token"),
        ("client_id", "service-client"),
        ("client_secret", "service-secret"),
        ("refresh_token", "unknown"),
    ];
    assert_eq!(post("/v2/oauth2/token", &form).await, 503);
    assert_eq!(post("/v2/oauth2/token", &form).await, 400, "as Strava refuses");
    assert_eq!(post("/_test/revoke", &[]).await, 200);
    assert_eq!(post("/_test/expire", &[]).await, 200);
    let log = client().get(format!("{url}/_test/log")).send().await.unwrap();
    let log: Value = serde_json::from_str(&log.text().await.unwrap()).unwrap();
    let tokens = log.as_array().unwrap().iter().filter(|one| one["endpoint"] == "Token");
    assert_eq!(tokens.count(), 2);

    let pid = serving.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    assert!(!serving.wait().unwrap().success(), "the signal ended it");
}

#[test]
fn what_it_does_not_understand_it_says() {
    let program = env!("CARGO_BIN_EXE_test-auth-server");
    for (arguments, said) in [
        (&[][..], "usage"),
        (&["serve", "--like", "nobody"], "Keycloak"),
        (&["serve", "--port", "x"], "no such number"),
    ] {
        let output = Command::new(program).args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        assert!(
            String::from_utf8(output.stderr).unwrap().contains(said),
            "{arguments:?}"
        );
    }
}
