//! L6: what cannot be stored is not asked for. Each obstacle stands in the way of an expired record whose server rotates
//! refresh tokens: the server must not hear of it, and once the obstacle is gone the refresh token still works.

use std::{
    env, fs,
    os::unix::{
        fs::{PermissionsExt, chown},
        process::CommandExt as _,
    },
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
};

use token_storage::{
    ResponsesExt, TokenKey, TokenResponse, TokenStorage,
    json::{JsonStorage, examine},
    manager::{ManagerError, TokenManager},
    oauth::{HttpClient, OAuthClient, Provider},
    sqlite::SqliteStorage,
};
use token_storage_auth_testing::auth_server::AuthServer;

use crate::sandbox::{SOMEBODY, bind, block_on, in_mount_namespace, mount, run, skip};

const RESOURCE_SERVER: &str = "groups.api.globus.org";
const SCOPE: &str = "urn:globus:auth:scope:groups.api.globus.org:view_my_groups_and_memberships";

fn key() -> TokenKey {
    TokenKey::in_default(RESOURCE_SERVER)
}

/// A file with one expired record.
async fn log_in(server: &AuthServer, path: &Path) {
    seed(server, &JsonStorage::open(path).unwrap()).await;
}

async fn seed(server: &AuthServer, storage: &impl TokenStorage) {
    let body = server.issue(AuthServer::NATIVE_CLIENT, SCOPE);
    let response = TokenResponse::parse(&body, 0).unwrap();
    let response = response.with_resource_server(RESOURCE_SERVER).unwrap();
    storage.store_response("DEFAULT", &response).await.unwrap();
}

async fn refresh(token_url: &str, path: &Path) -> Result<(), ManagerError> {
    refresh_on(token_url, JsonStorage::open(path).unwrap()).await
}

async fn refresh_on(token_url: &str, storage: impl TokenStorage + 'static) -> Result<(), ManagerError> {
    let provider = Provider::new(token_url).unwrap();
    let endpoint = OAuthClient::new(HttpClient::new().unwrap(), provider, AuthServer::NATIVE_CLIENT);
    let manager = TokenManager::builder(storage, Arc::new(endpoint)).build().unwrap();
    manager.access_token(&key()).await.map(drop)
}

/// The refresh fails and says `why`, and so does `doctor`; nothing was sent.
async fn assert_unspent(server: &AuthServer, path: &Path, why: &str) {
    let error = refresh(&server.token_url(), path)
        .await
        .expect_err("it cannot be stored");
    let chain = chain(&error);
    assert!(chain.contains(why), "{chain}");
    assert_eq!(server.refresh_requests(), 0, "{chain}");
    let told = examine(path);
    assert!(told.iter().any(|told| told.message.contains(why)), "{told:?}");
}

fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

async fn assert_refreshes(server: &AuthServer, path: &Path) {
    refresh(&server.token_url(), path).await.unwrap();
    assert_eq!((server.refresh_requests(), server.reuse_detections()), (1, 0));
}

#[test]
fn l6_a_mount_point_costs_no_refresh_token() {
    in_mount_namespace("refresh::l6_a_mount_point_costs_no_refresh_token", |folder| {
        block_on(async {
            let (server, path, mounted) = (AuthServer::start(), folder.join("tokens.json"), folder.join("mounted"));
            log_in(&server, &path).await;
            fs::write(&mounted, "").unwrap();
            bind(&path, &mounted);
            assert_unspent(&server, &mounted, "mount point").await;
            assert_refreshes(&server, &path).await;
        });
    });
}

#[test]
fn l6_an_immutable_file_costs_no_refresh_token() {
    const TEST: &str = "refresh::l6_an_immutable_file_costs_no_refresh_token";
    let attributes = [("+i", "-i", "immutable"), ("+a", "-a", "append-only")];
    in_mount_namespace(TEST, |folder| {
        for (place, on_folder) in [("file", false), ("folder", true)] {
            for (set, unset, why) in attributes {
                let path = folder.join(format!("{place} {why}/tokens.json"));
                let protected = if on_folder { path.parent().unwrap() } else { &path }.to_str().unwrap();
                block_on(async {
                    let server = AuthServer::start();
                    log_in(&server, &path).await;
                    // What else the refresh needs is there already.
                    refresh("http://127.0.0.1:1/", &path).await.unwrap_err();
                    if !run("chattr", &[set, protected]).success() {
                        return skip(TEST, "a file system with attributes, and root's rights");
                    }
                    let unspent = tokio::spawn(assert_unspent_owned(server, path.clone(), why)).await;
                    assert!(run("chattr", &[unset, protected]).success());
                    assert_refreshes(&unspent.unwrap(), &path).await;
                });
            }
        }
    });
}

async fn assert_unspent_owned(server: AuthServer, path: PathBuf, why: &'static str) -> AuthServer {
    assert_unspent(&server, &path, why).await;
    server
}

#[test]
fn l6_a_sticky_folder_of_others_costs_no_refresh_token() {
    const TEST: &str = "refresh::l6_a_sticky_folder_of_others_costs_no_refresh_token";
    if let Ok(job) = env::var("TOKEN_STORAGE_TEST_STICKY") {
        let (url, path) = job.split_once(' ').unwrap();
        let error = block_on(refresh(url, Path::new(path))).expect_err("it cannot be stored");
        assert!(chain(&error).contains("sticky"), "{}", chain(&error));
        assert!(examine(path).iter().any(|told| told.message.contains("sticky")));
        return;
    }
    if !rustix::process::geteuid().is_root() {
        return skip(TEST, "to be run as root, to become another user");
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().canonicalize().unwrap().join("tokens.json");
    block_on(async {
        let server = AuthServer::start();
        log_in(&server, &path).await;
        for place in [folder.path(), &path] {
            chown(place, Some(SOMEBODY), None).unwrap();
        }
        // It is for its owner only, so that whoever makes it has it.
        let lock = path.with_file_name("tokens.json.lock");
        fs::remove_file(&lock).unwrap();
        for (place, mode) in [(folder.path(), 0o1777), (&path, 0o666)] {
            fs::set_permissions(place, fs::Permissions::from_mode(mode)).unwrap();
        }
        let program = env::current_exe().unwrap();
        let mut another = Command::new(&program);
        another.uid(SOMEBODY - 1);
        let mut deprived = Command::new("setpriv");
        deprived.args(["--bounding-set", "-fowner"]).arg(&program);
        for mut command in [another, deprived] {
            command.args([TEST, "--exact", "--nocapture"]);
            let job = format!("{} {}", server.token_url(), path.display());
            assert!(
                command
                    .env("TOKEN_STORAGE_TEST_STICKY", job)
                    .status()
                    .unwrap()
                    .success()
            );
            assert_eq!(server.refresh_requests(), 0);
            assert!(!lock.exists() && !path.with_file_name("tokens.json.leases").exists());
        }
        // Root can.
        assert_refreshes(&server, &path).await;
    });
}

/// However little room is left, a refresh that is sent can be stored.
#[test]
fn l6_a_full_disk_costs_no_refresh_token_on_sqlite() {
    in_mount_namespace("refresh::l6_a_full_disk_costs_no_refresh_token_on_sqlite", |folder| {
        const SIZE: u64 = 1024 * 1024;
        let folder = folder.to_str().unwrap();
        mount(&["-t", "tmpfs", "-o", &format!("size={SIZE}"), "none", folder]);
        let folder = Path::new(folder);
        block_on(async {
            let (mut refused, mut sent) = (0, 0);
            for left in (0..40).map(|step| step * 4096) {
                let (server, own) = (AuthServer::start(), folder.join("own"));
                let path = own.join("tokens.db");
                let storage = SqliteStorage::open(&path).unwrap();
                seed(&server, &storage).await;
                // What else the refresh needs is there already, and another program has the database open.
                refresh_on("http://127.0.0.1:1/", storage.clone()).await.unwrap_err();
                let fill = folder.join("fill");
                let free = rustix::fs::statvfs(folder).unwrap();
                let free = free.f_bavail * free.f_frsize;
                fs::write(&fill, vec![0; (free - left) as usize]).unwrap();
                let refreshed = refresh_on(&server.token_url(), storage.clone()).await;
                match &refreshed {
                    Ok(()) => sent += 1,
                    Err(error) => {
                        assert_eq!(server.refresh_requests(), 0, "{left} bytes left: {}", chain(error));
                        refused += 1;
                    }
                }
                fs::remove_file(fill).unwrap();
                if refreshed.is_err() {
                    refresh_on(&server.token_url(), storage).await.unwrap();
                }
                assert_eq!((server.refresh_requests(), server.reuse_detections()), (1, 0));
                fs::remove_dir_all(own).unwrap();
            }
            assert!(refused > 0 && sent > 0, "{refused} refused, {sent} sent");
        });
    });
}
