/** What the design of the database wrote down for three of its tables, held against what the service sends. */

import type { GoalRead, SpaceRead, UserRead } from '@goalspace/client';

interface User {
  id: string;
  email: string;
  full_name: string | null;
  avatar_url: string | null;
  created_at: string;
  updated_at: string;
  last_active_at: string | null;
}

interface Goal {
  id: string;
  user_id: string;
  title: string;
  description: string | null;
  category: string | null;
  status: 'active' | 'completed' | 'archived';
  priority: number;
  due_date: string | null;
  created_at: string;
  updated_at: string;
}

interface Space {
  id: string;
  goal_id: string;
  user_id: string;
  title: string;
  description: string | null;
  theme: string;
  color_scheme: string;
  visibility: 'private' | 'public' | 'shared';
  ai_mentor_config: {
    type: string;
    personality: string;
    expertise: string[];
  };
  created_at: string;
  updated_at: string;
}

/** Of a column with a default that may be null all the same; the design leaves the null out. */
type Filled<Row, Column extends keyof Row> = Omit<Row, Column> & { [Key in Column]: NonNullable<Row[Key]> };

export const users: [(sent: UserRead) => User, (written: User) => UserRead] = [(user) => user, (user) => user];

export const goals: [(sent: Filled<GoalRead, 'priority'>) => Goal, (written: Goal) => GoalRead] = [
  (goal) => goal,
  (goal) => goal,
];

/** What is in a mentor's configuration is up to its space; of a read one only that it is an object is known. */
export const spaces: [
  (sent: Filled<Omit<SpaceRead, 'ai_mentor_config'>, 'theme' | 'color_scheme'>) => Omit<Space, 'ai_mentor_config'>,
  (written: Space) => SpaceRead,
] = [(space) => space, (space) => space];
