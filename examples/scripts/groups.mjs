#!/usr/bin/env node
// How many Globus groups you have. The token comes from the command `token-storage`, as credential processes hand them out: it is
// refreshed if need be, once for all programs that ask, and after a 401 another one is had. Needs Node.js 18.

import { spawnSync } from 'node:child_process';

const API = 'groups.api.globus.org';
const URL = process.env.GROUPS_URL ?? `https://${API}/v2/groups/my_groups`;

/** A valid token, another one than `rejected`. */
function token(rejected) {
    const options = rejected ? ['--rejected', '-'] : [];
    // What went wrong, and what helps, the command says on standard error.
    const done = spawnSync('token-storage', ['access-token', API, ...options], {
        input: rejected ?? '',
        stdio: ['pipe', 'pipe', 'inherit'],
        encoding: 'utf8',
    });
    if (done.error) throw done.error;
    if (done.status !== 0) process.exit(done.status);
    return done.stdout.trim();
}

const get = (bearer) => fetch(URL, { headers: { authorization: `Bearer ${bearer}` } });

const first = token();
let answer = await get(first);
if (answer.status === 401) answer = await get(token(first));
if (!answer.ok) throw new Error(`the API answers ${answer.status}`);
console.log((await answer.json()).length, 'groups');
