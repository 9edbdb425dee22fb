/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * LMDB as stable storage: see store.h. Flags: MDB_NOSUBDIR, the path is a file; MDB_NOLOCK, no lock
 * file and no lock. No other: each commit is synced before it returns.
 *
 * After any failure the file is closed, and opened anew by the next commit: LMDB refuses to go on
 * after a failed write of its meta page, and what else it may have half done is forgotten with it.
 * The directory is not synced when the file is made, for it could not be opened under AppArmor;
 * syncing a new file writes its name too on the file systems that matter.
 */
#include "hook/store.h"

#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define MEGABYTE ((size_t)1 << 20)
/* The map is address space, not memory or disk. 64 MiB is enough for a hundred thousand leases, so
   that most servers never grow it; 64 GiB for several full /8 networks, so that a file of that size
   means that something else is wrong. */
#define MAP_FIRST (64 * MEGABYTE)
#define MAP_MOST (65536 * MEGABYTE)

struct fo_store {
    char *path;
    MDB_env *env; /* NULL: not open */
    MDB_dbi pairs;
    bool existed; /* was open before: must not be made anew */
    MDB_txn *reading; /* of a load */
    MDB_cursor *cursor;
    bool guarded; /* `damaged` may be jumped to */
    jmp_buf damaged;
};

struct fo_store *fo_store_new(const char *path)
{
    struct fo_store *store = calloc(1, sizeof *store);
    if (store != NULL && (store->path = strdup(path)) == NULL) {
        free(store);
        store = NULL;
    }
    return store;
}

static void close_store(struct fo_store *store)
{
    if (store->env != NULL)
        mdb_env_close(store->env);
    store->env = NULL;
}

void fo_store_free(struct fo_store *store)
{
    if (store == NULL)
        return;
    close_store(store);
    free(store->path);
    free(store);
}

/* LMDB's codes beside errno's; its own are negative. */
static int errno_of(int result)
{
    switch (result) {
    case MDB_INVALID:
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_INCOMPATIBLE:
        return EUCLEAN;
    case MDB_VERSION_MISMATCH:
        return ENOTSUP;
    case MDB_MAP_FULL:
    case MDB_TXN_FULL:
        return ENOSPC;
    default:
        return result > 0 ? result : result == 0 ? 0 : EIO;
    }
}

/* LMDB calls this when it finds nonsense in the file, and would abort the server next. */
static void on_damage(MDB_env *env, const char *text)
{
    struct fo_store *store = mdb_env_get_userctx(env);
    (void)text;
    if (store->guarded)
        longjmp(store->damaged, 1);
}

/* Reading the map beyond the end of a file kills the process. A file cut short by somebody becomes
   zeros there, which LMDB recognises; a good one may lack pages at its end that were never used. */
static int prepare_file(MDB_env *env)
{
    MDB_envinfo info;
    MDB_stat stat;
    struct stat file;
    mdb_filehandle_t descriptor;
    int result = mdb_env_info(env, &info);
    if (result == 0)
        result = mdb_env_stat(env, &stat);
    if (result == 0)
        result = mdb_env_get_fd(env, &descriptor);
    if (result != 0)
        return result;
    /* Kea starts other programs. */
    if (fcntl(descriptor, F_SETFD, FD_CLOEXEC) != 0 || fstat(descriptor, &file) != 0)
        return errno;
    if (info.me_last_pgno >= MAP_MOST / stat.ms_psize)
        return MDB_CORRUPTED;
    off_t needed = (off_t)((info.me_last_pgno + 1) * stat.ms_psize);
    return file.st_size < needed && ftruncate(descriptor, needed) != 0 ? errno : 0;
}

static int open_pairs(struct fo_store *store)
{
    MDB_txn *transaction;
    int result = mdb_txn_begin(store->env, NULL, MDB_RDONLY, &transaction);
    if (result != 0)
        return result;
    result = mdb_dbi_open(transaction, NULL, 0, &store->pairs);
    if (result != 0) {
        mdb_txn_abort(transaction);
        return result;
    }
    return mdb_txn_commit(transaction);
}

/* Returns an errno or one of LMDB's codes, as all static functions here. */
static int open_store(struct fo_store *store)
{
    struct stat file;
    if (store->env != NULL)
        return 0;
    /* A new file in its place would hold the last changes only, and look like a good one. */
    if (store->existed && (stat(store->path, &file) != 0 || file.st_size == 0))
        return ENOENT;
    int result = mdb_env_create(&store->env);
    if (result != 0) {
        store->env = NULL;
        return result;
    }
    mdb_env_set_userctx(store->env, store);
    mdb_env_set_assert(store->env, on_damage);
    result = mdb_env_set_mapsize(store->env, MAP_FIRST);
    if (result == 0) /* 0640: as Kea's lease file, nothing for others to read */
        result = mdb_env_open(store->env, store->path, MDB_NOSUBDIR | MDB_NOLOCK, 0640);
    if (result == 0)
        result = prepare_file(store->env);
    if (result == 0)
        result = open_pairs(store);
    if (result == 0)
        store->existed = true;
    else
        close_store(store);
    return result;
}

/* ------------------------------------------------------------------ load */

/* The tree of what is free in the file, which only a commit reads: where a file was cut short, it may
   be all that is damaged. */
static int visit_free(MDB_txn *reading)
{
    const MDB_dbi free_tree = 0;
    MDB_cursor *cursor;
    MDB_val key, value;
    int result = mdb_cursor_open(reading, free_tree, &cursor);
    if (result != 0)
        return result;
    while ((result = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0)
        continue;
    mdb_cursor_close(cursor);
    return result == MDB_NOTFOUND ? 0 : result;
}

static int visit_all(struct fo_store *store, fo_store_visitor *visit, void *argument)
{
    MDB_val key, value;
    int result = mdb_txn_begin(store->env, NULL, MDB_RDONLY, &store->reading);
    if (result == 0)
        result = mdb_cursor_open(store->reading, store->pairs, &store->cursor);
    while (result == 0 &&
           (result = mdb_cursor_get(store->cursor, &key, &value, MDB_NEXT)) == 0)
        if (!visit(argument, key.mv_data, key.mv_size, value.mv_data, value.mv_size))
            break;
    return result == MDB_NOTFOUND ? visit_free(store->reading) : result;
}

static void end_reading(struct fo_store *store)
{
    store->guarded = false;
    if (store->cursor != NULL)
        mdb_cursor_close(store->cursor);
    if (store->reading != NULL)
        mdb_txn_abort(store->reading);
    store->cursor = NULL;
    store->reading = NULL;
}

int fo_store_load(struct fo_store *store, fo_store_visitor *visit, void *argument)
{
    int result = open_store(store);
    if (result != 0)
        return errno_of(result);
    if (setjmp(store->damaged) != 0) {
        end_reading(store);
        close_store(store);
        return EUCLEAN;
    }
    store->guarded = true;
    result = visit_all(store, visit, argument);
    end_reading(store);
    if (result != 0)
        close_store(store);
    return errno_of(result);
}

/* ------------------------------------------------------------------ commit */

static int put_one(struct fo_store *store, MDB_txn *transaction, const struct fo_store_write *write)
{
    /* MDB_val is for reading and writing; nothing is written to these. */
    MDB_val key = {write->key_length, (void *)(uintptr_t)write->key};
    MDB_val value = {write->value_length, (void *)(uintptr_t)write->value};
    if (write->value != NULL)
        return mdb_put(transaction, store->pairs, &key, &value, 0);
    int result = mdb_del(transaction, store->pairs, &key, NULL);
    return result == MDB_NOTFOUND ? 0 : result;
}

static int write_batch(struct fo_store *store, const struct fo_store_batch *batch)
{
    MDB_txn *transaction;
    int result = mdb_txn_begin(store->env, NULL, 0, &transaction);
    if (result != 0)
        return result;
    for (size_t i = 0; i < batch->count && result == 0; i++)
        result = put_one(store, transaction, &batch->writes[i]);
    if (result == 0)
        return mdb_txn_commit(transaction);
    mdb_txn_abort(transaction);
    return result;
}

static int grow_map(struct fo_store *store)
{
    MDB_envinfo info;
    int result = mdb_env_info(store->env, &info);
    if (result != 0)
        return result;
    if (info.me_mapsize >= MAP_MOST)
        return MDB_MAP_FULL;
    size_t size = info.me_mapsize * 2;
    return mdb_env_set_mapsize(store->env, size < MAP_MOST ? size : MAP_MOST);
}

/* LMDB says EIO where the disk took a part of a write only: mostly it is full. */
static bool is_disk_full(const struct fo_store *store)
{
    struct statvfs disk;
    return statvfs(store->path, &disk) == 0 &&
           disk.f_bavail < MEGABYTE / (disk.f_frsize > 0 ? disk.f_frsize : 512);
}

int fo_store_commit(struct fo_store *store, const struct fo_store_batch *batch,
                    char text[FO_STORE_TEXT_MAX])
{
    text[0] = '\0';
    int result = open_store(store);
    while (result == 0 && (result = write_batch(store, batch)) == MDB_MAP_FULL)
        if ((result = grow_map(store)) != 0)
            break;
    if (result == 0)
        return 0;
    if (result == EIO && is_disk_full(store))
        result = ENOSPC;
    snprintf(text, FO_STORE_TEXT_MAX, "%s", mdb_strerror(result));
    close_store(store);
    return errno_of(result);
}
