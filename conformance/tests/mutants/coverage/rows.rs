//! Which case checks which promise, as written in `rows.txt`.

/// One promise, and what is there for it.
#[derive(Default)]
pub(super) struct Row {
    pub(super) id: String,
    /// How the sentence begins, so that nobody inserts one before it unnoticed.
    pub(super) begins: String,
    pub(super) cases: Vec<Named>,
    /// Other promises that say the same.
    pub(super) same_as: Vec<String>,
    /// Why there is no case, or no broken storage, and where else it is tested.
    pub(super) reasons: Vec<String>,
}

/// A case in a row.
pub(super) struct Named {
    pub(super) case: String,
    /// Whether what it catches belongs here, but for what another row names.
    pub(super) at_home: bool,
    /// What it catches that belongs here, by name.
    pub(super) broken: Vec<String>,
}

/// Reads `rows.txt`; how it is written is told at its head.
pub(super) fn parse(text: &str) -> Result<Vec<Row>, String> {
    let mut rows: Vec<Row> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        take(&mut rows, line).ok_or_else(|| format!("rows.txt, line {}: what is {line:?}?", number + 1))?;
    }
    Ok(rows)
}

fn take(rows: &mut Vec<Row>, line: &str) -> Option<()> {
    let content = line.trim_start();
    match line.len() - content.len() {
        0 => {
            let (id, begins) = content.split_once(' ')?;
            rows.push(Row {
                id: id.to_owned(),
                begins: begins.to_owned(),
                ..Row::default()
            });
        }
        4 => inner(rows.last_mut()?, content),
        8 => rows.last_mut()?.cases.last_mut()?.broken.push(content.to_owned()),
        _ => return None,
    }
    Some(())
}

fn inner(row: &mut Row, content: &str) {
    if let Some(reason) = content.strip_prefix("> ") {
        row.reasons.push(reason.to_owned());
    } else if let Some(others) = content.strip_prefix("= ") {
        row.same_as.extend(others.split(", ").map(str::to_owned));
    } else {
        let also = content.strip_prefix("+ ");
        row.cases.push(Named {
            case: also.unwrap_or(content).to_owned(),
            at_home: also.is_none(),
            broken: Vec::new(),
        });
    }
}
