//! The layouts of `docs/containers.md`.

use std::{
    env, fs,
    os::unix::{
        fs::{PermissionsExt, chown, symlink},
        process::CommandExt as _,
    },
    path::Path,
    process::Command,
};

use token_storage::{
    Acquisition, ErrorKind, Precondition, Severity, TokenData, TokenKey, TokenStorage, TokenStorageExt as _, examine,
    json::JsonStorage, open,
};

use crate::sandbox::{SOMEBODY, bind, block_on, in_mount_namespace, mount, refusal};

fn key(resource_server: &str) -> TokenKey {
    TokenKey::in_default(resource_server)
}

async fn store(storage: &dyn TokenStorage, name: &str) -> token_storage::Result<()> {
    let data = TokenData::new(name, "", "at");
    storage.store(&key(name), &data, Precondition::Any).await.map(drop)
}

async fn worst(url: &str) -> Option<Severity> {
    let found = examine(url).await.unwrap();
    found.iter().map(|finding| finding.severity).max()
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_mounted_folder_is_shared_with_the_outside() {
    in_mount_namespace("layouts::a_mounted_folder_is_shared_with_the_outside", |folder| {
        let (outside, inside) = (folder.join("outside"), folder.join("inside"));
        for place in [&outside, &inside] {
            fs::create_dir(place).unwrap();
            set_mode(place, 0o700);
        }
        bind(&outside, &inside);
        block_on(async {
            for file in ["json:{}/tokens.json", "sqlite:{}/tokens.db"] {
                let url = |side: &Path| file.replace("{}", side.to_str().unwrap());
                let stores = (0..80).map(|n| {
                    let url = url(if n % 2 == 0 { &outside } else { &inside });
                    tokio::spawn(async move { store(&*open(&url).await.unwrap(), &n.to_string()).await })
                });
                for stored in futures_util::future::join_all(stores).await {
                    stored.unwrap().unwrap();
                }
                for side in [&outside, &inside] {
                    let storage = open(&url(side)).await.unwrap();
                    for n in 0..80 {
                        assert!(
                            storage.get(&key(&n.to_string())).await.unwrap().is_some(),
                            "{file}: {n}"
                        );
                    }
                    assert_eq!(worst(&url(side)).await, Some(Severity::Info), "{file}");
                }
            }
        });
    });
}

/// As `fsGroup` has it: root's volume, writable for the group of the pod's user.
#[test]
fn a_volume_of_kubernetes_belongs_to_its_group() {
    const TEST: &str = "layouts::a_volume_of_kubernetes_belongs_to_its_group";
    if let Ok(path) = env::var("TOKEN_STORAGE_TEST_POD") {
        return block_on(pod(Path::new(&path)));
    }
    in_mount_namespace(TEST, |folder| {
        mount(&["-t", "tmpfs", "none", folder.to_str().unwrap()]);
        if !rustix::process::geteuid().is_root() || chown(folder, Some(0), Some(SOMEBODY)).is_err() {
            return crate::sandbox::skip(TEST, "to be run as root, to become another user");
        }
        set_mode(folder, 0o2775);
        let path = folder.join("private/tokens.json");
        let pod = || {
            let mut command = Command::new(env::current_exe().unwrap());
            command
                .args([TEST, "--exact", "--nocapture"])
                .uid(SOMEBODY)
                .gid(SOMEBODY);
            command.env("TOKEN_STORAGE_TEST_POD", &path).status().unwrap()
        };
        assert!(pod().success());
        // Started again without OnRootMismatch.
        set_mode(path.parent().unwrap(), 0o2770);
        set_mode(&path, 0o660);
        assert!(pod().success());
    });
}

async fn pod(path: &Path) {
    let storage = JsonStorage::open(path).unwrap();
    let widened = path.exists();
    assert_eq!(storage.get(&key("rs")).await.unwrap().is_some(), widened);
    store(&storage, "rs").await.unwrap();
    let Acquisition::Acquired(lease) = storage.lease().unwrap().try_acquire(&key("rs")).await.unwrap() else {
        panic!("nobody else has it");
    };
    storage.prove_writable(&key("rs")).await.unwrap();
    drop(lease);
    let told = storage.warnings();
    assert_eq!(
        told.iter().any(|told| told.message.contains("mode 0660")),
        widened,
        "{told:?}"
    );
    assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
    if !widened {
        assert_eq!(worst(&format!("json:{}", path.display())).await, Some(Severity::Info));
    }
}

#[test]
fn a_secret_of_kubernetes_is_read_and_not_written() {
    in_mount_namespace("layouts::a_secret_of_kubernetes_is_read_and_not_written", |folder| {
        block_on(async {
            let [volume, made, mounted] = ["volume", "made", "mounted"].map(|name| folder.join(name));
            for place in [&volume, &mounted] {
                fs::create_dir(place).unwrap();
            }
            bind(&volume, &mounted);
            mount(&["-o", "remount,bind,ro", mounted.to_str().unwrap()]);
            let publish = async |version: &str| {
                let storage = JsonStorage::open(made.join(version).join("tokens.json")).unwrap();
                store(&storage, version).await.unwrap();
                fs::create_dir(volume.join(version)).unwrap();
                fs::copy(storage.path(), volume.join(version).join("tokens.json")).unwrap();
                symlink(version, volume.join("..new")).unwrap();
                fs::rename(volume.join("..new"), volume.join("..data")).unwrap();
            };
            publish("..1").await;
            symlink("..data/tokens.json", volume.join("tokens.json")).unwrap();
            let path = mounted.join("tokens.json");
            let storage = JsonStorage::open(&path).unwrap();
            assert!(storage.get(&key("..1")).await.unwrap().is_some());
            let error = refusal(store(&storage, "rs").await);
            assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
            let error = refusal(storage.lease().unwrap().try_acquire(&key("..1")).await.map(drop));
            assert_eq!(error.kind(), ErrorKind::PermissionDenied, "no refresh begins: {error}");
            publish("..2").await;
            fs::remove_dir_all(volume.join("..1")).unwrap();
            assert!(
                JsonStorage::open(&path)
                    .unwrap()
                    .get(&key("..2"))
                    .await
                    .unwrap()
                    .is_some()
            );
        });
    });
}
