//! A look at the file that changes nothing: what `token-storage doctor` prints.

use std::{path::Path, sync::Arc};

use token_storage_core::{
    Finding, Severity, StoredToken, TokenKey,
    backend::{SystemClock, counted},
    record,
};
use token_storage_files as files;

use crate::{
    document::{DamageKind, Document, Format, Namespace, RecordDamage},
    error, kept,
    load::{self, LoadError},
    snapshot::Content,
};

/// Examines the JSON file at a path, and what lies beside it, without changing anything: permissions, format,
/// integrity, damaged records, who holds the lock, what was left behind. Blocks; up to 250 ms if the file is damaged.
///
/// What is well is said too, as [`Severity::Info`]. No finding quotes anything of a record.
pub fn examine(path: impl AsRef<Path>) -> Vec<Finding> {
    let mut findings = Findings::default();
    match files::resolve(path.as_ref()) {
        Ok(path) => findings.file(&path),
        Err(error) => findings.error(path.as_ref(), format!("cannot be used: {error}"), "name another path"),
    }
    findings.0
}

#[derive(Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn info(&mut self, place: &Path, message: impl Into<String>) {
        self.add(Severity::Info, place.display(), message, "");
    }

    fn warning(&mut self, place: &Path, message: impl Into<String>, advice: &str) {
        self.add(Severity::Warning, place.display(), message, advice);
    }

    fn error(&mut self, place: &Path, message: impl Into<String>, advice: &str) {
        self.add(Severity::Error, place.display(), message, advice);
    }

    fn add(&mut self, severity: Severity, place: impl ToString, message: impl Into<String>, advice: &str) {
        self.0.push(Finding::new(severity, place.to_string(), message, advice));
    }

    fn file(&mut self, path: &Path) {
        self.0.extend(files::examine(path));
        self.content(path);
        self.beside(path);
    }

    fn content(&mut self, path: &Path) {
        match load::load(path, None, &SystemClock::default(), &|| {}) {
            Ok(snapshot) => match &snapshot.content {
                Content::Absent => self.info(path, "there is no file yet; the first write creates it"),
                Content::Document(document) => self.document(path, document),
                Content::Damaged(damage) if damage.kind == DamageKind::Corrupt => self.error(
                    path,
                    format!("is damaged: {}", damage.message),
                    "put back a sound copy; or log in again, which keeps this file aside and goes on with what can be read of it",
                ),
                Content::Damaged(damage) => self.error(
                    path,
                    format!("is not a token file of a known format: {}", damage.message),
                    "name another path; writes to this one are refused",
                ),
            },
            Err(LoadError::NotAFile) => self.error(path, "is not a file", "name the path of a JSON file"),
            Err(LoadError::Io(error)) => {
                let what = error::load(path, LoadError::Io(error));
                self.error(path, what.message(), "see to it that you may read the file");
            }
        }
    }

    fn document(&mut self, path: &Path, document: &Arc<Document>) {
        let (mut records, mut unnameable) = (0, document.namespaces().unnameable());
        for namespace in document.namespaces().iter() {
            match &namespace.value {
                Namespace::Records(members) => {
                    records += members.len();
                    unnameable += members.unnameable();
                    let name = namespace.name.as_deref().unwrap_or("?");
                    for member in members.iter() {
                        let Some(resource_server) = &member.name else { continue };
                        self.record(path, &TokenKey::new(name, &**resource_server), member.value.decoded());
                    }
                }
                Namespace::Damaged(_) => {
                    let name = namespace.name.as_deref().unwrap_or("?");
                    self.error(
                        path,
                        format!("the namespace {name:?} is not a JSON object"),
                        "repair it; or store a token in it, which keeps a copy of the file and starts the namespace anew",
                    );
                }
            }
        }
        let format = document.format();
        self.info(
            path,
            format!("format {}, {}", format.name(), counted(records, "record")),
        );
        if format != Format::V2 {
            let copy = kept::original_path(path, format);
            self.info(
                path,
                format!("the next write upgrades it to 2.0 and keeps it as {}", copy.display()),
            );
        }
        if unnameable > 0 {
            self.warning(
                path,
                format!(
                    "{} that is not valid Unicode: kept, but nothing can name what it stands for",
                    counted(unnameable, "key")
                ),
                "the program that wrote them can remove them",
            );
        }
    }

    fn record(&mut self, path: &Path, key: &TokenKey, decoded: Result<&StoredToken, RecordDamage>) {
        match decoded.map(|found| record::refusal_of_python_in(&found.data)) {
            Ok(None) => {}
            Ok(Some(why)) => self.add(
                Severity::Warning,
                key,
                format!("the Globus SDK for Python cannot read the whole file, since a member of this record {why}"),
                "if the SDK is to read it, store this token anew",
            ),
            Err(damage) => self.damaged_record(path, key, damage),
        }
    }

    fn damaged_record(&mut self, path: &Path, key: &TokenKey, damage: RecordDamage) {
        let error = error::record(path, key, damage);
        self.add(
            Severity::Error,
            key,
            error.message(),
            "store this token anew, by logging in again",
        );
    }

    fn beside(&mut self, path: &Path) {
        match kept::list(path) {
            Ok(kept) => self.0.extend(kept.iter().map(|kept| kept::finding(path, kept))),
            Err(error) => self.warning(path, format!("what lies beside it cannot be listed: {error}"), ""),
        }
    }
}
