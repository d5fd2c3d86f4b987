/** Groups of routes, in the order in which the reference lists them. Every route has one of them. */
export const tags = [
  { name: "service", description: "The server itself" },
  { name: "accounts", description: "Sign-up, log-in and profile of people" },
  { name: "api keys", description: "Keys of programs" },
  { name: "teams", description: "Teams, their members and invitations" },
  { name: "capsules", description: "MicroVMs: from create to destroy, their checkpoints and metrics" },
  { name: "commands", description: "Commands, processes and terminals in capsules" },
  { name: "files", description: "Files in capsules" },
  { name: "network", description: "What capsules reach" },
  { name: "ports", description: "Who reaches the services in capsules" },
  { name: "templates", description: "Disk images and memory that capsules start from" },
  { name: "builds", description: "Builds of templates" },
  { name: "events", description: "What happens, as it happens" },
  { name: "channels", description: "Notifications" },
  { name: "audit", description: "Who did what" },
  { name: "hosts", description: "Machines that capsules run on" },
  { name: "admin", description: "Administration of the platform" },
] as const;
