package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
)

// helpWidth is how wide help is printed: it fits every terminal.
const helpWidth = 80

// setHelp makes help fit its place, and adds the topics to it.
func (c *command) setHelp(root *cobra.Command) {
	setUsage(root)
	c.fitHelp(root)
	root.SetHelpCommandGroupID("other")
	root.InitDefaultHelpCmd()
	if help, _, err := root.Find([]string{"help"}); err == nil {
		help.Use = "help [COMMAND | TOPIC]"
		help.Short = "Show the help of a command, or about a topic"
		help.Long = "Shows the help of a command, such as \"pksa help keys import\", or a page about\n" +
			"what concerns several commands:\n\n" + topicList()
		help.Run, help.RunE = nil, c.helpOf
	}
}

// setUsage lets cobra print usage as it does, but with flags that fit the width, and the topics. A
// template could say so, too. But a program with templates keeps all methods of its types, because
// a template may name any of them: it would be a tenth larger.
func setUsage(root *cobra.Command) {
	standard := root.UsageFunc()
	root.SetUsageFunc(func(cmd *cobra.Command) error {
		var text strings.Builder
		out := cmd.OutOrStderr()
		cmd.SetOut(&text)
		err := standard(cmd)
		cmd.SetOut(out)
		local, inherited := cmd.LocalFlags(), cmd.InheritedFlags()
		usage := replaceBlock(text.String(), local.FlagUsages(), local.FlagUsagesWrapped(helpWidth))
		usage = replaceBlock(usage, inherited.FlagUsages(), inherited.FlagUsagesWrapped(helpWidth))
		if !cmd.HasParent() {
			usage = strings.Replace(usage, "\n\nUse ", "\n\nTopics, shown by \"pksa help TOPIC\":\n"+topicList()+
				"\n\nUse ", 1)
		}
		if cmd.HasParent() && cmd.Parent().HasParent() { // the last line would be too wide
			usage = strings.Replace(usage, "for more information about a command.", "for more.", 1)
		}
		_, failed := io.WriteString(out, usage)
		return errors.Join(err, failed)
	})
}

// replaceBlock puts one block of lines in the place of another, which may be empty.
func replaceBlock(text, old, block string) string {
	if old = strings.TrimSpace(old); old == "" {
		return text
	}
	return strings.Replace(text, old, strings.TrimSpace(block), 1)
}

// topicList returns the lines of help that name the topics.
func topicList() string {
	lines := make([]string, len(topics))
	for i, t := range topics {
		lines[i] = fmt.Sprintf("  %-12s %s", t.name, t.summary)
	}
	return strings.Join(lines, "\n")
}

// helpOf shows the help of the command that the words name, or a topic, or both if they have one
// name. Other words are a mistake: cobra shows the help of the program then, as if that had been
// wanted.
func (c *command) helpOf(cmd *cobra.Command, words []string) error {
	about, rest, err := cmd.Root().Find(words)
	t, isTopic := topicOf(words)
	if isTopic {
		text := t.text() + "\n"
		if err == nil && len(rest) == 0 && about.HasParent() {
			text += "\n" + about.UsageString()
		}
		if wide := columns(c.out); wide > 0 {
			text = wrapped(text, wide)
		}
		_, err := io.WriteString(c.out, text)
		return err
	}
	if err != nil {
		return err
	}
	if len(rest) > 0 {
		return fmt.Errorf("unknown command %q for %q", rest[0], about.CommandPath())
	}
	about.InitDefaultHelpFlag()
	return about.Help()
}

// helpWords completes names of commands and topics.
func helpWords(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	about, rest, err := cmd.Root().Find(args)
	if err != nil || len(rest) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var found []string
	for _, sub := range about.Commands() {
		if sub.IsAvailableCommand() {
			found = append(found, sub.Name()+"\t"+sub.Short)
		}
	}
	if len(args) == 0 {
		for _, t := range topics {
			found = append(found, t.name+"\t"+t.summary)
		}
	}
	return found, cobra.ShellCompDirectiveNoFileComp
}

const completionHelp = `Prints a script for a shell, which then completes commands, flags and their
values with the Tab key: roles, kinds, files; and, while the agent runs, apps,
accounts, sessions and what waits for you. Nothing is unlocked for that.

    bash   source <(pksa completion bash)         in ~/.bashrc
    zsh    source <(pksa completion zsh)          in ~/.zshrc, after compinit
    fish   pksa completion fish | source          in ~/.config/fish/config.fish

Bash needs its package bash-completion for that, loaded before this line:
without it, the Tab key prints that _get_comp_words_by_ref is not found.`

// fitHelp lets help, which is written for 80 columns, fit a narrower terminal.
func (c *command) fitHelp(root *cobra.Command) {
	full := root.HelpFunc()
	root.SetHelpFunc(func(cmd *cobra.Command, args []string) {
		wide := columns(c.out)
		if wide == 0 || wide >= textWidth {
			full(cmd, args)
			return
		}
		var text strings.Builder
		cmd.SetOut(&text)
		full(cmd, args)
		cmd.SetOut(c.out)
		io.WriteString(c.out, wrapped(text.String(), wide))
	})
}
