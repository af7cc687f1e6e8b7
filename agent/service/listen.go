package service

import (
	"context"
	"fmt"
	"net"

	"pksa/agent/config"
	"pksa/agent/control"
	"pksa/agent/status"
)

// server is a listener with what answers there. serve closes the listener, and so does close if
// serve was never called.
type server struct {
	serve func(context.Context) error
	close func() error
}

// listen opens every listener that the settings name and serves none yet.
func (s *Service) listen(cfg *config.Config) error {
	if err := s.listenControl(cfg); err != nil {
		return err
	}
	if cfg.StatusListen != "" {
		if err := s.listenStatus(cfg); err != nil {
			return err
		}
	}
	if cfg.RelayListen != "" {
		return s.listenRelay(cfg)
	}
	return nil
}

func (s *Service) listenControl(cfg *config.Config) error {
	socket, err := control.Listen(cfg.Control)
	if err != nil {
		return err
	}
	calls := &control.Server{Handlers: s.Agent.Methods(), Logger: s.log.With("component", "control")}
	s.servers = append(s.servers, server{
		serve: func(ctx context.Context) error { return calls.Run(ctx, socket) },
		close: socket.Close,
	})
	return nil
}

func (s *Service) listenStatus(cfg *config.Config) error {
	listener, err := net.Listen("tcp", cfg.StatusListen)
	if err != nil {
		return fmt.Errorf("status.listen: %w", err)
	}
	handler := s.Agent.Metrics().Handler()
	s.servers = append(s.servers, server{
		serve: func(ctx context.Context) error { return status.Serve(ctx, listener, handler) },
		close: listener.Close,
	})
	return nil
}

func (s *Service) listenRelay(cfg *config.Config) error {
	keys := ChainKeys(s.Nodes)
	if cfg.RelayAccounts == "keystore" {
		keys = heldKeys(s.Keys)
	}
	r, listener, err := OpenRelay(cfg, keys, s.log)
	if err != nil {
		return &StepError{StepRelay, err}
	}
	s.servers = append(s.servers, server{
		serve: func(ctx context.Context) error { return r.Serve(ctx, listener) },
		close: listener.Close,
	})
	return nil
}
