//! Which storages are measured.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use tempfile::TempDir;
use token_storage::{StorageUrl, TokenStorage, async_trait, backend::format_path};
use token_storage_bench::Target;

use crate::{
    Context, Exit, Failure, Result,
    context::{Told, default_path},
    text,
};

/// The storages, and the folder that those are in which nobody named: it goes with this value.
#[derive(Debug)]
pub(super) struct Places {
    places: Vec<Place>,
    _folder: Option<TempDir>,
}

impl Places {
    pub(super) fn targets(&self) -> Vec<Arc<dyn Target>> {
        let targets = self.places.iter().cloned();
        targets.map(|place| Arc::new(place) as Arc<dyn Target>).collect()
    }
}

/// A storage that a URL names.
#[derive(Clone, Debug)]
struct Place {
    url: StorageUrl,
    told: Told,
}

#[async_trait]
impl Target for Place {
    fn name(&self) -> String {
        self.url.to_string()
    }

    async fn open(&self) -> token_storage::Result<Arc<dyn TokenStorage>> {
        let opened = self.url.open().await?;
        self.told.listen(&opened);
        Ok(opened.into_storage())
    }
}

/// Those that are named, or else what the command would use here, or else one of each kind.
pub(super) fn named(urls: &[String], context: &Context) -> Result<Places> {
    if urls.is_empty() && !context.names_storage() {
        return each_kind(context);
    }
    let urls: Vec<StorageUrl> = match urls {
        [] => vec![context.url()?],
        urls => urls
            .iter()
            .map(|url| Ok(context.schemes.parse(url)?))
            .collect::<Result<_>>()?,
    };
    Ok(Places {
        places: places(urls, context),
        _folder: None,
    })
}

/// Each kind that is a file, or nothing but the process's memory. The files are on the disk that tokens are on by default: a
/// temporary folder of the system's may be in memory.
fn each_kind(context: &Context) -> Result<Places> {
    let near = existing(&default_path()?);
    let folder = tempfile::Builder::new()
        .prefix(".token-storage-bench-")
        .tempdir_in(&near)
        .map_err(|error| {
            let near = text::one_line(&near.display().to_string());
            Failure::new(
                Exit::Unavailable,
                format!("{near}: cannot make a folder to measure in: {error}"),
            )
            .with_advice("name the storages to measure, such as `token-storage bench sqlite:PATH`")
        })?;
    let mut urls = Vec::new();
    for scheme in context.schemes.describe() {
        let form = scheme.forms.first().map_or("", |form| form.form);
        let url = match form.split_once(':') {
            Some((name, "PATH")) => format!("{name}:{}", format_path(&folder.path().join(format!("tokens.{name}")))),
            Some((_, "")) => form.to_owned(),
            _ => continue,
        };
        urls.push(context.schemes.parse(&url)?);
    }
    Ok(Places {
        places: places(urls, context),
        _folder: Some(folder),
    })
}

fn places(urls: Vec<StorageUrl>, context: &Context) -> Vec<Place> {
    let place = |url| Place {
        url,
        told: context.told().clone(),
    };
    urls.into_iter().map(place).collect()
}

/// The nearest folder above that is there: nothing but the temporary folder is made.
fn existing(path: &Path) -> PathBuf {
    let mut folders = path.ancestors().skip(1);
    folders
        .find(|folder| folder.is_dir())
        .unwrap_or(Path::new("/"))
        .to_owned()
}
