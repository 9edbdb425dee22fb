/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * Frames of the simulated clients, see client_packet.h.  RFC 826 (ARP), 791, 768, 2131 (DHCP) and
 * 2132 (its options).
 */
#include "client_packet.h"

#include <stdio.h>
#include <string.h>

enum {
    ETH_LEN = 14,
    IP_LEN = 20,
    UDP_LEN = 8,
    BOOTP_LEN = 236,
    BOOTP_MIN = 300
};
enum {
    ETHERTYPE_IPV4 = 0x0800,
    ETHERTYPE_RESOLVE = 0x0806,
    PROTO_UDP = 17
};

static const uint8_t magic[4] = {99, 130, 83, 99};

/* ---- small pieces ---- */

static uint16_t get16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t get32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void put16(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static void put32(uint8_t *p, uint32_t v)
{
    put16(p, (uint16_t)(v >> 16));
    put16(p + 2, (uint16_t)v);
}

void mac_of_client(uint8_t mac[6], uint32_t number)
{
    mac[0] = 2;
    mac[1] = 0;
    put32(mac + 2, number);
}

void mac_of_relay(uint8_t mac[6], uint32_t giaddr)
{
    mac[0] = 2;
    mac[1] = 1;
    put32(mac + 2, giaddr);
}

bool mac_is_client(const uint8_t mac[6], uint32_t *number)
{
    *number = get32(mac + 2);
    return mac[0] == 2 && mac[1] == 0;
}

const char *ip_text(uint32_t ip)
{
    static char text[8][16];
    static unsigned at;
    char *s = text[at++ % 8];

    snprintf(s, 16, "%u.%u.%u.%u", ip >> 24, ip >> 16 & 255, ip >> 8 & 255, ip & 255);
    return s;
}

static uint32_t sum(const uint8_t *p, size_t n, uint32_t acc)
{
    for (; n > 1; p += 2, n -= 2)
        acc += get16(p);
    return n ? acc + ((uint32_t)*p << 8) : acc;
}

static uint16_t fold(uint32_t acc)
{
    while (acc >> 16)
        acc = (acc & 0xffff) + (acc >> 16);
    return (uint16_t)~acc;
}

/* ---- building ---- */

static uint8_t *option(uint8_t *p, uint8_t code, const uint8_t *data, size_t len)
{
    p[0] = code;
    p[1] = (uint8_t)len;
    memcpy(p + 2, data, len);
    return p + 2 + len;
}

static uint8_t *option32(uint8_t *p, uint8_t code, uint32_t v)
{
    uint8_t data[4];

    if (!v)
        return p;
    put32(data, v);
    return option(p, code, data, 4);
}

static uint8_t *build_options(uint8_t *p, const struct dhcp_out *out)
{
    static const uint8_t wanted[] = {1, 3, 6, 15, 51, 54, 58, 59};
    const uint8_t type = (uint8_t)out->type;

    p = option(p, 53, &type, 1);
    if (out->host_name_len)
        p = option(p, 12, out->host_name, out->host_name_len);
    if (out->client_id_len)
        p = option(p, 61, out->client_id, out->client_id_len);
    p = option32(p, 50, out->requested);
    p = option32(p, 54, out->server_id);
    p = option32(p, 51, out->want_lease);
    if (out->type != DHCP_RELEASE && out->type != DHCP_DECLINE)
        p = option(p, 55, wanted, sizeof(wanted));
    if (out->option82_len && out->giaddr) /* a relay adds it last; RFC 3046, 2.1 */
        p = option(p, 82, out->option82, out->option82_len);
    *p++ = 255;
    return p;
}

static void build_headers(uint8_t *frame, const struct dhcp_out *out, size_t payload)
{
    uint8_t *ip = frame + ETH_LEN, *udp = ip + IP_LEN;
    uint16_t check;

    memcpy(frame, out->eth_dst, 6);
    memcpy(frame + 6, out->eth_src, 6);
    put16(frame + 12, ETHERTYPE_IPV4);

    put16(udp, out->port_src);
    put16(udp + 2, out->port_dst);
    put16(udp + 4, (uint16_t)(UDP_LEN + payload));

    ip[0] = 0x45;
    put16(ip + 2, (uint16_t)(IP_LEN + UDP_LEN + payload));
    ip[8] = 64;
    ip[9] = PROTO_UDP;
    put32(ip + 12, out->ip_src);
    put32(ip + 16, out->ip_dst);
    put16(ip + 10, fold(sum(ip, IP_LEN, 0)));

    /* The pseudo header of UDP is made of both addresses, the protocol and the length. */
    check = fold(
        sum(udp, UDP_LEN + payload, sum(ip + 12, 8, (uint32_t)(PROTO_UDP + UDP_LEN + payload))));
    put16(udp + 6, check ? check : 0xffff);
}

size_t dhcp_build(uint8_t *frame, const struct dhcp_out *out)
{
    uint8_t *bootp = frame + ETH_LEN + IP_LEN + UDP_LEN, *end;
    size_t payload;

    memset(frame, 0, FRAME_MAX);
    bootp[0] = 1;
    bootp[1] = 1;
    bootp[2] = 6;
    bootp[3] = out->giaddr ? 1 : 0;
    put32(bootp + 4, out->xid);
    put16(bootp + 8, out->secs);
    put16(bootp + 10, out->broadcast ? 0x8000 : 0);
    put32(bootp + 12, out->ciaddr);
    put32(bootp + 24, out->giaddr);
    memcpy(bootp + 28, out->chaddr, 6);
    memcpy(bootp + BOOTP_LEN, magic, 4);
    end = build_options(bootp + BOOTP_LEN + 4, out);
    payload = (size_t)(end - bootp);
    if (payload < BOOTP_MIN)
        payload = BOOTP_MIN;
    build_headers(frame, out, payload);
    return ETH_LEN + IP_LEN + UDP_LEN + payload;
}

size_t arp_build(uint8_t *frame, bool request, const uint8_t sender_mac[6], uint32_t sender_ip,
                 const uint8_t target_mac[6], uint32_t target_ip)
{
    static const uint8_t head[8] = {0, 1, 8, 0, 6, 4, 0, 0};
    uint8_t *p = frame + ETH_LEN;

    if (request)
        memset(frame, 0xff, 6);
    else
        memcpy(frame, target_mac, 6);
    memcpy(frame + 6, sender_mac, 6);
    put16(frame + 12, ETHERTYPE_RESOLVE);
    memcpy(p, head, sizeof(head));
    p[7] = request ? 1 : 2;
    memcpy(p + 8, sender_mac, 6);
    put32(p + 14, sender_ip);
    if (request)
        memset(p + 18, 0, 6);
    else
        memcpy(p + 18, target_mac, 6);
    put32(p + 24, target_ip);
    return ETH_LEN + 28;
}

/* ---- taking apart ---- */

bool arp_parse(const uint8_t *frame, size_t length, struct arp *arp)
{
    const uint8_t *p = frame + ETH_LEN;

    if (length < ETH_LEN + 28 || get16(frame + 12) != ETHERTYPE_RESOLVE ||
        get16(p + 2) != ETHERTYPE_IPV4)
        return false;
    memcpy(arp->eth_src, frame + 6, 6);
    arp->request = get16(p + 6) == 1;
    memcpy(arp->sender_mac, p + 8, 6);
    arp->sender_ip = get32(p + 14);
    arp->target_ip = get32(p + 24);
    return true;
}

static void parse_text(char *to, size_t size, const uint8_t *from, size_t len)
{
    size_t i;

    for (i = 0; i < len && i + 1 < size; i++)
        to[i] = from[i] >= ' ' && from[i] < 127 && from[i] != '"' && from[i] != '\\' ? (char)from[i]
                                                                                     : '?';
    to[i] = '\0';
}

static void parse_option(struct dhcp_in *in, uint8_t code, const uint8_t *data, size_t len)
{
    if (code == 53 && len == 1)
        in->type = (enum dhcp_type)data[0];
    else if (code == 54 && len == 4)
        in->server_id = get32(data);
    else if (code == 51 && len == 4)
        in->lease = get32(data);
    else if (code == 58 && len == 4)
        in->t1 = get32(data);
    else if (code == 59 && len == 4)
        in->t2 = get32(data);
    else if (code == 56)
        parse_text(in->message, sizeof(in->message), data, len);
}

static bool parse_options(struct dhcp_in *in, const uint8_t *p, const uint8_t *end)
{
    while (p < end && *p != 255) {
        if (*p == 0) {
            p++;
            continue;
        }
        if (end - p < 2 || end - p < 2 + p[1])
            return false;
        parse_option(in, p[0], p + 2, p[1]);
        p += 2 + p[1];
    }
    return in->type != 0;
}

bool dhcp_parse(const uint8_t *frame, size_t length, struct dhcp_in *in)
{
    const uint8_t *ip = frame + ETH_LEN, *bootp;
    size_t ip_len, header;

    if (length < ETH_LEN + IP_LEN + UDP_LEN + BOOTP_LEN + 4 || get16(frame + 12) != ETHERTYPE_IPV4)
        return false;
    header = (size_t)(ip[0] & 15) * 4;
    ip_len = get16(ip + 2);
    if (ip[0] >> 4 != 4 || header < IP_LEN || ip[9] != PROTO_UDP || ip_len > length - ETH_LEN ||
        ip_len < header + UDP_LEN + BOOTP_LEN + 4)
        return false;
    bootp = ip + header + UDP_LEN;
    if (get16(ip + header) != 67 || bootp[0] != 2 || memcmp(bootp + BOOTP_LEN, magic, 4) != 0)
        return false;
    memset(in, 0, sizeof(*in));
    memcpy(in->eth_dst, frame, 6);
    memcpy(in->eth_src, frame + 6, 6);
    in->ip_src = get32(ip + 12);
    in->ip_dst = get32(ip + 16);
    in->xid = get32(bootp + 4);
    in->yiaddr = get32(bootp + 16);
    in->siaddr = get32(bootp + 20);
    in->giaddr = get32(bootp + 24);
    memcpy(in->chaddr, bootp + 28, 6);
    return parse_options(in, bootp + BOOTP_LEN + 4, ip + ip_len);
}
