package app

import (
	"context"
	"net"

	"golang.org/x/sys/unix"
)

type peerKey struct{}

// nobodyUID stands for a user that the kernel did not tell.
const nobodyUID = -1

// withPeer notes which Unix user is at the other end of a connection: unix(7),
// SO_PEERCRED.
func withPeer(ctx context.Context, c net.Conn) context.Context {
	uid := nobodyUID
	if u, ok := c.(*net.UnixConn); ok {
		if raw, err := u.SyscallConn(); err == nil {
			_ = raw.Control(func(fd uintptr) { // what fails leaves nobody
				if cred, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); err == nil {
					uid = int(cred.Uid)
				}
			})
		}
	}
	return context.WithValue(ctx, peerKey{}, uid)
}

// peerUID returns the user that withPeer noted.
func peerUID(ctx context.Context) int {
	if uid, ok := ctx.Value(peerKey{}).(int); ok {
		return uid
	}
	return nobodyUID
}
