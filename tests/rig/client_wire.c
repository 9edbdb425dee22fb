/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * The packet socket of the simulated clients, see client_wire.h.  A BPF filter in the kernel lets
 * through ARP and answers of DHCP servers only, so that load on the segment that is not for us
 * costs nothing here.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "client_wire.h"
#include "client_oracle.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#ifndef PACKET_IGNORE_OUTGOING
#define PACKET_IGNORE_OUTGOING 23
#endif

#define BATCH 64
#define SERVERS 16
#define RELAYS 256
#define WAITING 512      /* frames that may wait for one server's MAC address */
#define ARP_PATIENCE 3.0 /* a frame that has waited this long is lost */

struct server {
    uint32_t ip;
    uint8_t mac[6];
    bool known;
    double asked;
    struct dhcp_out *waiting[WAITING];
    unsigned count;
};

static int fd = -1;
static struct server servers[SERVERS];
static uint32_t relays[RELAYS];
static const uint8_t everybody[6] = {255, 255, 255, 255, 255, 255};

double unix_now(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_REALTIME, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* ---- opening ---- */

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static void filter(void)
{
    /* ARP; or IPv4, UDP, first fragment, from port 67 to port 67 or 68. */
    static struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 12),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x0806, 11, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x0800, 0, 11),
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 23),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 17, 0, 9),
        BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 20),
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 0x1fff, 7, 0),
        BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 14),
        BPF_STMT(BPF_LD | BPF_H | BPF_IND, 14),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 67, 0, 4),
        BPF_STMT(BPF_LD | BPF_H | BPF_IND, 16),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 68, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 67, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, FRAME_MAX),
        BPF_STMT(BPF_RET | BPF_K, 0),
    };
    struct sock_fprog program = {sizeof(code) / sizeof(code[0]), code};

    if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) != 0)
        die("SO_ATTACH_FILTER");
}

int wire_open(const char *interface)
{
    struct sockaddr_ll at = {.sll_family = AF_PACKET};
    struct packet_mreq promiscuous = {.mr_type = PACKET_MR_PROMISC};
    int one = 1, buffer = 64 << 20;

    at.sll_ifindex = promiscuous.mr_ifindex = (int)if_nametoindex(interface);
    if (at.sll_ifindex == 0)
        die(interface);
    /* Protocol 0 first: nothing may come in before the filter is there. */
    fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        die("packet socket");
    filter();
    at.sll_protocol = htons(0x0003);
    if (bind(fd, (struct sockaddr *)&at, sizeof(at)) != 0)
        die("bind");
    if (setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &promiscuous, sizeof(promiscuous)) != 0)
        die("promiscuous mode");
    setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof(one));
    setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &one, sizeof(one));
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof(buffer)) != 0)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof(buffer));
    return fd;
}

/* ---- sending ---- */

static void put_on_wire(const uint8_t *frame, size_t length)
{
    /* What the interface does not take (down, queue full) is lost, as on any wire. */
    for (int i = 0;
         i < 50 && send(fd, frame, length, 0) < 0 && (errno == ENOBUFS || errno == EAGAIN); i++)
        usleep(200);
}

static void send_dhcp(const struct dhcp_out *out)
{
    uint8_t frame[FRAME_MAX];

    put_on_wire(frame, dhcp_build(frame, out));
}

static struct server *server_at(uint32_t ip)
{
    for (int i = 0; i < SERVERS; i++) {
        if (servers[i].ip == 0)
            servers[i].ip = ip;
        if (servers[i].ip == ip)
            return &servers[i];
    }
    fprintf(stderr, "more than %d servers\n", SERVERS);
    exit(1);
}

static void server_found(struct server *s, const uint8_t mac[6], double now)
{
    memcpy(s->mac, mac, 6);
    s->known = true;
    for (unsigned i = 0; i < s->count; i++) {
        memcpy(s->waiting[i]->eth_dst, mac, 6);
        if (now - s->asked < ARP_PATIENCE)
            send_dhcp(s->waiting[i]);
        free(s->waiting[i]);
    }
    s->count = 0;
}

static void wait_for_server(struct server *s, const struct dhcp_out *out, double now)
{
    uint8_t frame[FRAME_MAX];

    if (s->count < WAITING) {
        s->waiting[s->count] = malloc(sizeof(*out));
        if (!s->waiting[s->count])
            die("malloc");
        *s->waiting[s->count++] = *out;
    }
    if (now - s->asked < 0.2)
        return;
    s->asked = now;
    /* Sender address 0.0.0.0: a server answers even if it has no route to the asking relay. */
    put_on_wire(frame, arp_build(frame, true, out->eth_src, 0, everybody, s->ip));
}

void wire_send(struct dhcp_out *out, double now)
{
    struct server *s;

    if (out->ip_dst == INADDR_BROADCAST) {
        memcpy(out->eth_dst, everybody, 6);
        send_dhcp(out);
        return;
    }
    s = server_at(out->ip_dst);
    if (!s->known) {
        wait_for_server(s, out, now);
        return;
    }
    memcpy(out->eth_dst, s->mac, 6);
    send_dhcp(out);
}

/* ---- receiving ---- */

void wire_relay_add(uint32_t giaddr)
{
    for (int i = 0; i < RELAYS; i++) {
        if (relays[i] == 0)
            relays[i] = giaddr;
        if (relays[i] == giaddr)
            return;
    }
    fprintf(stderr, "more than %d relays\n", RELAYS);
    exit(1);
}

static bool is_relay(uint32_t ip)
{
    for (int i = 0; i < RELAYS && relays[i]; i++)
        if (relays[i] == ip)
            return true;
    return false;
}

static void resolve(const struct arp *arp, double now)
{
    uint8_t frame[FRAME_MAX], mac[6];
    uint32_t client;

    if (!arp->request) {
        for (int i = 0; i < SERVERS && servers[i].ip; i++)
            if (servers[i].ip == arp->sender_ip)
                server_found(&servers[i], arp->sender_mac, now);
        return;
    }
    if (is_relay(arp->target_ip))
        mac_of_relay(mac, arp->target_ip);
    else if (oracle_holder(arp->target_ip, now, &client))
        mac_of_client(mac, client);
    else
        return;
    if (memcmp(mac, arp->sender_mac, 6) != 0)
        put_on_wire(frame,
                    arp_build(frame, false, mac, arp->target_ip, arp->sender_mac, arp->sender_ip));
}

/* Whether a real client with this MAC would have got the message, directly or through its relay. */
static bool is_for_client(const struct dhcp_in *in, uint32_t *client)
{
    uint8_t relay[6];

    if (!mac_is_client(in->chaddr, client))
        return false;
    mac_of_relay(relay, in->giaddr);
    return memcmp(in->eth_dst, everybody, 6) == 0 || memcmp(in->eth_dst, in->chaddr, 6) == 0 ||
           (in->eth_dst[0] == 2 && in->eth_dst[1] == 1 &&
            (!in->giaddr || memcmp(in->eth_dst, relay, 6) == 0));
}

static double arrival(struct msghdr *m)
{
    struct timespec ts;

    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c))
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPNS) {
            memcpy(&ts, CMSG_DATA(c), sizeof(ts));
            return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
        }
    return unix_now();
}

static void receive_frame(const uint8_t *frame, size_t length, double t,
                          void (*answer)(const struct dhcp_in *in, uint32_t client, double t))
{
    struct dhcp_in in;
    struct arp arp;
    uint32_t client;

    if (arp_parse(frame, length, &arp)) {
        resolve(&arp, t);
    } else if (dhcp_parse(frame, length, &in)) {
        server_found(server_at(in.ip_src), in.eth_src, t);
        if (is_for_client(&in, &client))
            answer(&in, client, t);
    }
}

void wire_receive(void (*answer)(const struct dhcp_in *in, uint32_t client, double t))
{
    static uint8_t frames[BATCH][FRAME_MAX];
    static char control[BATCH][256];
    struct mmsghdr m[BATCH];
    struct iovec v[BATCH];
    int n;

    memset(m, 0, sizeof(m));
    for (int i = 0; i < BATCH; i++) {
        v[i] = (struct iovec){frames[i], FRAME_MAX};
        m[i].msg_hdr.msg_iov = &v[i];
        m[i].msg_hdr.msg_iovlen = 1;
        m[i].msg_hdr.msg_control = control[i];
        m[i].msg_hdr.msg_controllen = sizeof(control[i]);
    }
    n = recvmmsg(fd, m, BATCH, MSG_DONTWAIT, NULL);
    for (int i = 0; i < n; i++)
        receive_frame(frames[i], m[i].msg_len, arrival(&m[i].msg_hdr), answer);
}
